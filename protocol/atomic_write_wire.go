package protocol

import (
	"fmt"

	"github.com/kvconnect/kvconnect/protocol/datapath"
)

// DecodeAtomicWrite reads and checks the body of an atomic write. The keys, values
// and bounds share memory with body, which must not change after it.
func DecodeAtomicWrite(body []byte) (AtomicWrite, error) {
	const op = "atomic write"
	counts, wellFormed := atomicWriteShape.inspect(body)
	checks, mutations, enqueues := counts[fieldAtomicWriteChecks], counts[fieldAtomicWriteMutations], counts[fieldAtomicWriteEnqueues]
	if checks > MaxChecks {
		return AtomicWrite{}, fmt.Errorf("%s: %w: %d, at most %d", op, ErrTooManyChecks, checks, MaxChecks)
	}
	if n := mutations + enqueues; n > MaxMutations {
		return AtomicWrite{}, fmt.Errorf("%s: %w: %d with the enqueues, at most %d", op, ErrTooManyMutations, n, MaxMutations)
	}
	if !wellFormed {
		return AtomicWrite{}, malformed(op, (*datapath.AtomicWrite)(nil))
	}
	if enqueues > 0 {
		return AtomicWrite{}, fmt.Errorf("%s: %w", op, ErrEnqueueUnsupported)
	}
	write := AtomicWrite{Checks: make([]Check, 0, checks), Mutations: make([]Mutation, 0, mutations)}
	totalBytes := 0
	// The checks come first, wherever they stand: if there is something wrong with
	// several parts, clients are told of the same one.
	for field := range fieldsOf(body) {
		if len(write.Checks) == checks {
			break // clients send them before the mutations
		}
		if field.number != fieldAtomicWriteChecks {
			continue
		}
		check, err := decodeCheck(field.bytes)
		if err != nil {
			return AtomicWrite{}, fmt.Errorf("%s: check %d: %w", op, len(write.Checks), err)
		}
		totalBytes += len(check.Key)
		write.Checks = append(write.Checks, check)
	}
	for field := range fieldsOf(body) {
		if field.number != fieldAtomicWriteMutations {
			continue
		}
		m := parseMutation(field.bytes)
		mutation, err := m.decode()
		if err != nil {
			return AtomicWrite{}, fmt.Errorf("%s: mutation %d: %w", op, len(write.Mutations), err)
		}
		// What the mutation has no use for counts too.
		totalBytes += len(m.key) + len(m.value.data) + len(m.sumMin) + len(m.sumMax)
		write.Mutations = append(write.Mutations, mutation)
	}
	if totalBytes > MaxAtomicWriteBytes {
		return AtomicWrite{}, fmt.Errorf("%s: %w: %d bytes of keys and values, at most %d",
			op, ErrAtomicWriteTooLarge, totalBytes, MaxAtomicWriteBytes)
	}
	return write, nil
}

func decodeCheck(message []byte) (Check, error) {
	var key, rawVersionstamp []byte
	for field := range fieldsOf(message) {
		switch field.number {
		case fieldCheckKey:
			key = field.bytes
		case fieldCheckVersionstamp:
			rawVersionstamp = field.bytes
		default: // unknown fields are skipped
		}
	}
	if err := checkKey(key, MaxReadKeyBytes); err != nil {
		return Check{}, err
	}
	versionstamp, err := ParseVersionstamp(rawVersionstamp)
	if err != nil {
		return Check{}, err
	}
	return Check{Key: key, Versionstamp: versionstamp}, nil
}

// wireMutation is a mutation as it came.
type wireMutation struct {
	key            []byte
	value          wireValue
	mutationType   datapath.MutationType
	expireAtMs     int64
	sumMin, sumMax []byte
	sumClamp       bool
}

func parseMutation(message []byte) (m wireMutation) {
	for field := range fieldsOf(message) {
		switch field.number {
		case fieldMutationKey:
			m.key = field.bytes
		case fieldMutationValue:
			m.value.merge(field.bytes)
		case fieldMutationMutationType:
			m.mutationType = datapath.MutationType(field.int32())
		case fieldMutationExpireAtMs:
			m.expireAtMs = field.int64()
		case fieldMutationSumMin:
			m.sumMin = field.bytes
		case fieldMutationSumMax:
			m.sumMax = field.bytes
		case fieldMutationSumClamp:
			m.sumClamp = field.bool()
		default: // unknown fields are skipped
		}
	}
	return m
}

func (m *wireMutation) decode() (Mutation, error) {
	mutationType, known := decodeMutationType(m.mutationType)
	if !known {
		return Mutation{}, fmt.Errorf("%w (%d)", ErrUnknownMutation, m.mutationType)
	}
	maxKeyBytes := MaxWriteKeyBytes
	if mutationType == MutationSetVersionstampedKey {
		maxKeyBytes -= versionstampSuffixBytes
	}
	if err := checkKey(m.key, maxKeyBytes); err != nil {
		return Mutation{}, err
	}
	expireAtMs, err := decodeExpireAt(m.expireAtMs)
	if err != nil {
		return Mutation{}, err
	}
	mutation := Mutation{Type: mutationType, Key: m.key, ExpireAtMs: expireAtMs}
	if mutationType == MutationDelete {
		return mutation, nil
	}
	if mutation.Value, err = m.value.decode(); err != nil {
		return Mutation{}, err
	}
	if mutationType == MutationSum {
		mutation.SumMin, mutation.SumMax, mutation.SumClamp = m.sumMin, m.sumMax, m.sumClamp
	}
	return mutation, nil
}

// decodeMutationType knows what the schema names; any other number is unknown.
func decodeMutationType(t datapath.MutationType) (mutationType MutationType, known bool) {
	switch t {
	case datapath.MutationType_M_SET:
		return MutationSet, true
	case datapath.MutationType_M_DELETE:
		return MutationDelete, true
	case datapath.MutationType_M_SUM:
		return MutationSum, true
	case datapath.MutationType_M_MIN:
		return MutationMin, true
	case datapath.MutationType_M_MAX:
		return MutationMax, true
	case datapath.MutationType_M_SET_SUFFIX_VERSIONSTAMPED_KEY:
		return MutationSetVersionstampedKey, true
	default:
		return 0, false
	}
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

// Encode gives the body of the reply.
func (o AtomicWriteOutput) Encode() ([]byte, error) {
	var (
		status       datapath.AtomicWriteStatus
		versionstamp []byte
		failedChecks []uint32
	)
	switch o.Status {
	case AtomicWriteCommitted:
		status, versionstamp = datapath.AtomicWriteStatus_AW_SUCCESS, o.Versionstamp[:]
	case AtomicWriteCheckFailed:
		status, failedChecks = datapath.AtomicWriteStatus_AW_CHECK_FAILURE, o.FailedChecks
	case AtomicWriteDisabled:
		status = datapath.AtomicWriteStatus_AW_WRITE_DISABLED
	default:
		return nil, fmt.Errorf("encode atomic write output: unknown status %d", o.Status)
	}
	body := make([]byte, 0, sizeVarintField(fieldAtomicWriteOutputStatus, uint64(status))+
		sizeBytesField(fieldAtomicWriteOutputVersionstamp, versionstamp)+
		sizeVarintsField(fieldAtomicWriteOutputFailedChecks, failedChecks))
	body = appendVarintField(body, fieldAtomicWriteOutputStatus, uint64(status))
	body = appendBytesField(body, fieldAtomicWriteOutputVersionstamp, versionstamp)
	return appendVarintsField(body, fieldAtomicWriteOutputFailedChecks, failedChecks), nil
}
