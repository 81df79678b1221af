package v8value

// RegExp is a RegExp.
type RegExp struct {
	Source string
	Flags  RegExpFlags
}

// RegExpFlags is a set of flags. The bits are those of the format.
type RegExpFlags uint32

// The flags.
const (
	FlagGlobal      RegExpFlags = 1 << 0 // g
	FlagIgnoreCase  RegExpFlags = 1 << 1 // i
	FlagMultiline   RegExpFlags = 1 << 2 // m
	FlagSticky      RegExpFlags = 1 << 3 // y
	FlagUnicode     RegExpFlags = 1 << 4 // u
	FlagDotAll      RegExpFlags = 1 << 5 // s
	FlagHasIndices  RegExpFlags = 1 << 7 // d
	FlagUnicodeSets RegExpFlags = 1 << 8 // v
)

// regExpFlags lists the flags in the order in which JavaScript shows them.
var regExpFlags = [...]struct {
	flag   RegExpFlags
	letter byte
}{
	{FlagHasIndices, 'd'},
	{FlagGlobal, 'g'},
	{FlagIgnoreCase, 'i'},
	{FlagMultiline, 'm'},
	{FlagDotAll, 's'},
	{FlagUnicode, 'u'},
	{FlagUnicodeSets, 'v'},
	{FlagSticky, 'y'},
}

// String gives the flags as JavaScript shows them, such as "gi".
func (f RegExpFlags) String() string {
	var letters []byte
	for _, known := range regExpFlags {
		if f&known.flag != 0 {
			letters = append(letters, known.letter)
		}
	}
	return string(letters)
}

// valid tells whether all flags are known and may stand together.
func (f RegExpFlags) valid() bool {
	rest := f
	for _, known := range regExpFlags {
		rest &^= known.flag
	}
	const both = FlagUnicode | FlagUnicodeSets
	return rest == 0 && f&both != both
}
