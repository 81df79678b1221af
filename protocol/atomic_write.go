package protocol

// AtomicWrite asks for changes of which all happen or none ("KV Connect, Data
// Path Protocol, Atomic Write Request"). Mutations apply in order, each seeing
// what those before it did.
type AtomicWrite struct {
	Checks    []Check
	Mutations []Mutation
}

// Check is a condition: the entry of Key has this Versionstamp, or is absent if
// Versionstamp is zero.
type Check struct {
	Key          []byte
	Versionstamp Versionstamp
}

// MutationType tells what a Mutation does.
type MutationType int

// The types of a mutation.
const (
	// MutationSet stores Value.
	MutationSet MutationType = iota + 1
	// MutationDelete makes the key absent.
	MutationDelete
	// MutationSum adds Value to the stored one: a Deno.KvU64, which wraps around
	// at 2^64, a number or a bigint.
	MutationSum
	// MutationMin keeps the lesser of Value and the stored one.
	MutationMin
	// MutationMax keeps the greater of Value and the stored one.
	MutationMax
	// MutationSetVersionstampedKey stores Value under Key followed by a string
	// part: the versionstamp of this write in 20 hexadecimal digits.
	MutationSetVersionstampedKey
)

// String gives the name that the reference server's messages use.
func (t MutationType) String() string {
	switch t {
	case MutationSet:
		return "set"
	case MutationDelete:
		return "delete"
	case MutationSum:
		return "sum"
	case MutationMin:
		return "min"
	case MutationMax:
		return "max"
	case MutationSetVersionstampedKey:
		return "set with versionstamped key"
	default:
		return "unknown"
	}
}

// Mutation is a change of one key.
type Mutation struct {
	Type MutationType
	Key  []byte
	// Value is the new value or the operand. Whether an operand fits its mutation
	// and the stored value is for Combine to say.
	Value Value
	// SumMin and SumMax bound the result of a MutationSum, inclusive. They are V8
	// values of the operand's type; empty for no bound.
	SumMin, SumMax []byte
	// SumClamp makes a result beyond a bound the bound, and not an error.
	SumClamp bool
	// ExpireAtMs is the time from which on the key is absent, in milliseconds
	// since the Unix epoch; 0 for never.
	ExpireAtMs int64
}

// StoredKey gives the key that the mutation changes in a write of versionstamp v.
func (m Mutation) StoredKey(v Versionstamp) []byte {
	if m.Type == MutationSetVersionstampedKey {
		return VersionstampedKey(m.Key, v)
	}
	return m.Key
}

// AtomicWriteStatus tells what became of an atomic write.
type AtomicWriteStatus int

// What can become of an atomic write.
const (
	// AtomicWriteCommitted: done and durable.
	AtomicWriteCommitted AtomicWriteStatus = iota + 1
	// AtomicWriteCheckFailed: not done, because a check did not hold.
	AtomicWriteCheckFailed
	// AtomicWriteDisabled: not done, because the database is open for reading only.
	AtomicWriteDisabled
)

// AtomicWriteOutput is the outcome of an atomic write.
type AtomicWriteOutput struct {
	Status AtomicWriteStatus
	// Versionstamp names the commit of a committed write.
	Versionstamp Versionstamp
	// FailedChecks lists the index of every check that did not hold, ascending.
	FailedChecks []uint32
}
