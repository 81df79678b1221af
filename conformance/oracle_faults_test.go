package conformance

import (
	"bytes"
	"math"
	"slices"
	"strings"

	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/protocol/datapath"
	"github.com/kvconnect/kvconnect/protocol/v8value"
)

// oracleFault is something that the oracle is known to do otherwise, or that we do
// otherwise on purpose.
type oracleFault struct {
	reason string
	// answer tells whether the fault is why the answers differ. Then what they
	// leave may differ too.
	answer func(e exchange) bool
	// left tells whether the fault is why the databases differ after answers
	// that do not.
	left func(e exchange) bool
}

// findFault gives the fault of which the predicate holds, nil if there is none.
func findFault(e exchange, predicate func(*oracleFault) func(exchange) bool) *oracleFault {
	for i := range oracleFaults {
		if explains := predicate(&oracleFaults[i]); explains != nil && explains(e) {
			return &oracleFaults[i]
		}
	}
	return nil
}

// maxOracleTimeMs is the last time that the oracle can tell: the end of the year
// 262142.
const maxOracleTimeMs = 8_210_266_876_799_999

var oracleFaults = []oracleFault{
	{
		reason: earlierMutationsStay,
		left: func(e exchange) bool {
			return e.kind() == kindRefused && isReferenceText(e.oracle.text) && len(e.write().GetMutations()) > 1
		},
	},
	{
		reason: expiredUntilSwept,
		left:   func(e exchange) bool { return e.kind() == kindCommitted && e.anyMutation(expired) },
	},
	{
		reason: "a sum finds what expired within the same write",
		answer: func(e exchange) bool { return isReferenceText(e.oracle.text) && e.combinesExpired() },
	},
	{
		reason: "ten checks at most",
		answer: func(e exchange) bool { return e.oracle.text == "TooManyChecks" && len(e.write().GetChecks()) > 10 },
	},
	{
		reason: "only no bytes at all mean an absent key, ten zero bytes do not",
		answer: func(e exchange) bool {
			zeros := make(map[uint32]bool)
			for i, check := range e.write().GetChecks() {
				zeros[uint32(i)] = len(check.GetVersionstamp()) == protocol.VersionstampBytes && protocol.Versionstamp(check.GetVersionstamp()).IsZero()
			}
			isZero := func(i uint32) bool { return zeros[i] }
			ours, oracles := e.failedChecks()
			return slices.ContainsFunc(oracles, isZero) && slices.Equal(slices.DeleteFunc(ours, isZero), slices.DeleteFunc(oracles, isZero))
		},
	},
	{
		reason: "an empty key is like any other, but for programs, which cannot make one",
		answer: func(e exchange) bool { return e.oursRefuses(protocol.ErrKeyEmpty) },
	},
	{
		reason: "the versionstamp suffix may make a key too long",
		answer: func(e exchange) bool {
			return e.oursRefuses(protocol.ErrKeyTooLong) && e.anyMutation(isTooLongWithSuffix)
		},
	},
	{
		reason: "the value of a deletion is looked at",
		answer: func(e exchange) bool {
			return e.oracle.text == "ValueTooLong" && e.anyMutation(func(m *datapath.Mutation) bool {
				return m.GetMutationType() == datapath.MutationType_M_DELETE && len(m.GetValue().GetData()) > protocol.MaxValueBytes
			})
		},
	},
	{
		reason: "it dies of times that its calendar does not have",
		answer: func(e exchange) bool {
			return e.oracle.text == "Panic in async function" && e.anyMutation(func(m *datapath.Mutation) bool {
				return m.GetExpireAtMs() > maxOracleTimeMs
			})
		},
	},
	{
		reason: "bodies of any size, if they hold enough that nobody reads",
		answer: func(e exchange) bool {
			return e.oursRefuses(protocol.ErrBodyTooLarge) && len(e.request.body) > protocol.MaxSnapshotReadBodyBytes
		},
	},
	{
		reason: "it has queues",
		answer: func(e exchange) bool {
			return e.oursRefuses(protocol.ErrEnqueueUnsupported) && len(e.write().GetEnqueues()) > 0
		},
	},
	{
		reason: "the bounds of a sum of Deno.KvU64 are passed over",
		answer: func(e exchange) bool { return e.ours.text == "Cannot use min/max parameters with KvU64 operands" },
	},
	{
		reason: "version 13 of V8's format is not read",
		answer: func(e exchange) bool {
			return isSumRefusal(e.oracle.text) && e.anySumValue(func(data []byte) bool { return bytes.HasPrefix(data, []byte{0xff, 13}) })
		},
	},
	{
		reason: "a bigint of no digits may be negative",
		answer: func(e exchange) bool {
			return isSumRefusal(e.ours.text) && e.anySumValue(func(data []byte) bool { return len(data) >= 4 && data[2] == 'Z' && data[3] == 1 })
		},
	},
	{
		reason: "a sum that is NaN has other bits than JavaScript's",
		left: func(e exchange) bool {
			return e.anyMutation(isSum) && slices.ContainsFunc(e.after, func(entry *datapath.KvEntry) bool { return isOtherNaN(entry.GetValue()) })
		},
	},
	{
		reason: "the bounds of a sum do not count for the size of a write",
		answer: func(e exchange) bool {
			boundBytes := 0
			for _, m := range e.write().GetMutations() {
				boundBytes += len(m.GetSumMin()) + len(m.GetSumMax())
			}
			return e.oursRefuses(protocol.ErrAtomicWriteTooLarge) && boundBytes > 0
		},
	},
	{
		reason: "a sum can make values of any length",
		answer: func(e exchange) bool {
			return e.oursRefuses(protocol.ErrValueTooLong) && strings.Contains(e.ours.text, "the result of a sum")
		},
	},
}

// expired tells whether the mutation sets what expires at once.
func expired(m *datapath.Mutation) bool { return m.GetExpireAtMs() == past }

func isSum(m *datapath.Mutation) bool {
	return m.GetMutationType() == datapath.MutationType_M_SUM
}

// isTooLongWithSuffix tells whether the key is one that can be stored, but not with
// a versionstamp behind it.
func isTooLongWithSuffix(m *datapath.Mutation) bool {
	n := len(m.GetKey())
	return m.GetMutationType() == datapath.MutationType_M_SET_SUFFIX_VERSIONSTAMPED_KEY && n <= protocol.MaxWriteKeyBytes &&
		len(protocol.VersionstampedKey(m.GetKey(), protocol.Versionstamp{})) > protocol.MaxWriteKeyBytes
}

func (e exchange) anyMutation(is func(*datapath.Mutation) bool) bool {
	return slices.ContainsFunc(e.write().GetMutations(), is)
}

// combinesExpired tells whether a sum, min or max comes after a mutation of the same
// key that lets it expire at once.
func (e exchange) combinesExpired() bool {
	gone := make(map[string]bool)
	return e.anyMutation(func(m *datapath.Mutation) bool {
		switch m.GetMutationType() {
		case datapath.MutationType_M_SUM, datapath.MutationType_M_MIN, datapath.MutationType_M_MAX:
			return gone[string(m.GetKey())]
		case datapath.MutationType_M_SET, datapath.MutationType_M_DELETE:
			gone[string(m.GetKey())] = expired(m)
			return false
		default: // it changes no key of this name
			return false
		}
	})
}

// oursRefuses tells whether that is why ours refuses the request.
func (e exchange) oursRefuses(err error) bool {
	return e.kind() == kindRefused && strings.Contains(e.ours.text, err.Error())
}

// failedChecks gives those of a write.
func (e exchange) failedChecks() (ours, oracles []uint32) {
	a, _ := e.ours.output.(*datapath.AtomicWriteOutput)
	b, _ := e.oracle.output.(*datapath.AtomicWriteOutput)
	return slices.Clone(a.GetFailedChecks()), slices.Clone(b.GetFailedChecks())
}

// isSumRefusal tells whether a value that a sum needs could not be read.
func isSumRefusal(text string) bool {
	return text == "Some of the parameters are not valid V8 values" || text == "invalid v8 value"
}

// anySumValue tells whether there is such a V8 value among those that the sums of a
// write may work with.
func (e exchange) anySumValue(is func(data []byte) bool) bool {
	return slices.ContainsFunc(e.before, func(entry *datapath.KvEntry) bool { return is(entry.GetValue()) }) ||
		e.anyMutation(func(m *datapath.Mutation) bool {
			return is(m.GetValue().GetData()) || is(m.GetSumMin()) || is(m.GetSumMax())
		})
}

// isOtherNaN tells whether the data is a NaN that JavaScript does not write.
func isOtherNaN(data []byte) bool {
	value, err := v8value.Decode(data)
	f, isNumber := value.(float64)
	return err == nil && isNumber && math.IsNaN(f) && !bytes.HasSuffix(data, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f})
}
