package service

import "os"

// heapFloorBytes is how small a heap the garbage collector is to take into account.
const heapFloorBytes = 32 << 20

// raiseHeapFloor keeps the garbage collector from running all the time, and gives what
// must be kept alive for it. The collector begins when the heap has doubled, and that of
// a server without many watches is so small that a hundred lists would set it off. The
// memory given here is never touched, so the system provides none for it; what it costs
// is the garbage that may gather meanwhile, up to heapFloorBytes. Who has set the
// collector's own variables is left alone.
func raiseHeapFloor() []byte {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, heapFloorBytes)
}
