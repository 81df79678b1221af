package protocol

import (
	"fmt"

	"github.com/kvconnect/kvconnect/protocol/datapath"
	"google.golang.org/protobuf/proto"
)

// DecodeAtomicWrite reads and checks the body of an atomic write.
func DecodeAtomicWrite(body []byte) (AtomicWrite, error) {
	const op = "atomic write"
	var message datapath.AtomicWrite
	counts, ok := countFields(body)
	if n := counts[1]; n > MaxChecks {
		return AtomicWrite{}, fmt.Errorf("%s: %w: %d, at most %d", op, ErrTooManyChecks, n, MaxChecks)
	}
	if n := counts[2] + counts[3]; n > MaxMutations {
		return AtomicWrite{}, fmt.Errorf("%s: %w: %d with the enqueues, at most %d", op, ErrTooManyMutations, n, MaxMutations)
	}
	if !ok || proto.Unmarshal(body, &message) != nil || hasMistypedField(message.ProtoReflect()) {
		return AtomicWrite{}, malformed(op, &message)
	}
	if len(message.GetEnqueues()) > 0 {
		return AtomicWrite{}, fmt.Errorf("%s: %w", op, ErrEnqueueUnsupported)
	}
	write := AtomicWrite{
		Checks:    make([]Check, len(message.GetChecks())),
		Mutations: make([]Mutation, len(message.GetMutations())),
	}
	totalBytes := 0
	for i, c := range message.GetChecks() {
		check, err := decodeCheck(c)
		if err != nil {
			return AtomicWrite{}, fmt.Errorf("%s: check %d: %w", op, i, err)
		}
		totalBytes += len(c.GetKey())
		write.Checks[i] = check
	}
	for i, m := range message.GetMutations() {
		mutation, err := decodeMutation(m)
		if err != nil {
			return AtomicWrite{}, fmt.Errorf("%s: mutation %d: %w", op, i, err)
		}
		totalBytes += len(m.GetKey()) + len(m.GetValue().GetData()) + len(m.GetSumMin()) + len(m.GetSumMax())
		write.Mutations[i] = mutation
	}
	if totalBytes > MaxAtomicWriteBytes {
		return AtomicWrite{}, fmt.Errorf("%s: %w: %d bytes of keys and values, at most %d",
			op, ErrAtomicWriteTooLarge, totalBytes, MaxAtomicWriteBytes)
	}
	return write, nil
}

func decodeCheck(c *datapath.Check) (Check, error) {
	if err := checkKey(c.GetKey(), MaxReadKeyBytes); err != nil {
		return Check{}, err
	}
	versionstamp, err := ParseVersionstamp(c.GetVersionstamp())
	if err != nil {
		return Check{}, err
	}
	return Check{Key: c.GetKey(), Versionstamp: versionstamp}, nil
}

// mutationTypes is what the schema names; any other number is unknown.
var mutationTypes = map[datapath.MutationType]MutationType{
	datapath.MutationType_M_SET:                           MutationSet,
	datapath.MutationType_M_DELETE:                        MutationDelete,
	datapath.MutationType_M_SUM:                           MutationSum,
	datapath.MutationType_M_MIN:                           MutationMin,
	datapath.MutationType_M_MAX:                           MutationMax,
	datapath.MutationType_M_SET_SUFFIX_VERSIONSTAMPED_KEY: MutationSetVersionstampedKey,
}

func decodeMutation(m *datapath.Mutation) (Mutation, error) {
	mutationType, known := mutationTypes[m.GetMutationType()]
	if !known {
		return Mutation{}, fmt.Errorf("%w (%d)", ErrUnknownMutation, m.GetMutationType())
	}
	maxKeyBytes := MaxWriteKeyBytes
	if mutationType == MutationSetVersionstampedKey {
		maxKeyBytes -= versionstampSuffixBytes
	}
	if err := checkKey(m.GetKey(), maxKeyBytes); err != nil {
		return Mutation{}, err
	}
	expireAtMs, err := decodeExpireAt(m.GetExpireAtMs())
	if err != nil {
		return Mutation{}, err
	}
	mutation := Mutation{Type: mutationType, Key: m.GetKey(), ExpireAtMs: expireAtMs}
	if mutationType == MutationDelete {
		return mutation, nil
	}
	if mutation.Value, err = decodeValue(m.GetValue()); err != nil {
		return Mutation{}, err
	}
	if mutationType == MutationSum {
		mutation.SumMin, mutation.SumMax, mutation.SumClamp = m.GetSumMin(), m.GetSumMax(), m.GetSumClamp()
	}
	return mutation, nil
}

func decodeExpireAt(ms int64) (int64, error) {
	switch {
	case ms >= 0:
		return ms, nil
	case ms == -1:
		return 0, nil
	default:
		return 0, fmt.Errorf("%w, not %d", ErrInvalidExpireAt, ms)
	}
}
