package protocol

import "google.golang.org/protobuf/encoding/protowire"

// The numbers of the fields of datapath.proto that this server reads or writes,
// which the generated code does not name. A test compares them with the schema.
const (
	fieldSnapshotReadRanges protowire.Number = 1

	fieldReadRangeStart   protowire.Number = 1
	fieldReadRangeEnd     protowire.Number = 2
	fieldReadRangeLimit   protowire.Number = 3
	fieldReadRangeReverse protowire.Number = 4

	fieldSnapshotReadOutputRanges                   protowire.Number = 1
	fieldSnapshotReadOutputReadIsStronglyConsistent protowire.Number = 4
	fieldSnapshotReadOutputStatus                   protowire.Number = 8

	fieldReadRangeOutputValues protowire.Number = 1

	fieldAtomicWriteChecks    protowire.Number = 1
	fieldAtomicWriteMutations protowire.Number = 2
	fieldAtomicWriteEnqueues  protowire.Number = 3

	fieldCheckKey          protowire.Number = 1
	fieldCheckVersionstamp protowire.Number = 2

	fieldMutationKey          protowire.Number = 1
	fieldMutationValue        protowire.Number = 2
	fieldMutationMutationType protowire.Number = 3
	fieldMutationExpireAtMs   protowire.Number = 4
	fieldMutationSumMin       protowire.Number = 5
	fieldMutationSumMax       protowire.Number = 6
	fieldMutationSumClamp     protowire.Number = 7

	fieldKvValueData     protowire.Number = 1
	fieldKvValueEncoding protowire.Number = 2

	fieldEnqueuePayload           protowire.Number = 1
	fieldEnqueueDeadlineMs        protowire.Number = 2
	fieldEnqueueKeysIfUndelivered protowire.Number = 3
	fieldEnqueueBackoffSchedule   protowire.Number = 4

	fieldAtomicWriteOutputStatus       protowire.Number = 1
	fieldAtomicWriteOutputVersionstamp protowire.Number = 2
	fieldAtomicWriteOutputFailedChecks protowire.Number = 4

	fieldKvEntryKey          protowire.Number = 1
	fieldKvEntryValue        protowire.Number = 2
	fieldKvEntryEncoding     protowire.Number = 3
	fieldKvEntryVersionstamp protowire.Number = 4

	fieldWatchKeys protowire.Number = 1

	fieldWatchKeyKey protowire.Number = 1

	fieldWatchOutputStatus protowire.Number = 1
	fieldWatchOutputKeys   protowire.Number = 2

	fieldWatchKeyOutputChanged        protowire.Number = 1
	fieldWatchKeyOutputEntryIfChanged protowire.Number = 2
)

// maxRequestField is the highest number of a field in a request.
const maxRequestField = fieldMutationSumClamp

// messageShape holds what the schema says of each field of a message, by number.
type messageShape [maxRequestField + 1]fieldShape

// fieldShape is the form that a field must have.
type fieldShape struct {
	kind fieldKind
	part *messageShape // of a messageField
}

type fieldKind uint8

const (
	unknownField fieldKind = iota // may have any form, and is skipped
	varintField
	varintsField // repeated: one a field, or several packed together
	bytesField
	messageField
)

// The shapes of the requests.
var (
	snapshotReadShape = messageShape{
		fieldSnapshotReadRanges: {messageField, &readRangeShape},
	}
	readRangeShape = messageShape{
		fieldReadRangeStart:   {kind: bytesField},
		fieldReadRangeEnd:     {kind: bytesField},
		fieldReadRangeLimit:   {kind: varintField},
		fieldReadRangeReverse: {kind: varintField},
	}

	atomicWriteShape = messageShape{
		fieldAtomicWriteChecks:    {messageField, &checkShape},
		fieldAtomicWriteMutations: {messageField, &mutationShape},
		fieldAtomicWriteEnqueues:  {messageField, &enqueueShape},
	}
	checkShape = messageShape{
		fieldCheckKey:          {kind: bytesField},
		fieldCheckVersionstamp: {kind: bytesField},
	}
	mutationShape = messageShape{
		fieldMutationKey:          {kind: bytesField},
		fieldMutationValue:        {messageField, &kvValueShape},
		fieldMutationMutationType: {kind: varintField},
		fieldMutationExpireAtMs:   {kind: varintField},
		fieldMutationSumMin:       {kind: bytesField},
		fieldMutationSumMax:       {kind: bytesField},
		fieldMutationSumClamp:     {kind: varintField},
	}
	kvValueShape = messageShape{
		fieldKvValueData:     {kind: bytesField},
		fieldKvValueEncoding: {kind: varintField},
	}
	enqueueShape = messageShape{
		fieldEnqueuePayload:           {kind: bytesField},
		fieldEnqueueDeadlineMs:        {kind: varintField},
		fieldEnqueueKeysIfUndelivered: {kind: bytesField},
		fieldEnqueueBackoffSchedule:   {kind: varintsField},
	}

	watchShape = messageShape{
		fieldWatchKeys: {messageField, &watchKeyShape},
	}
	watchKeyShape = messageShape{
		fieldWatchKeyKey: {kind: bytesField},
	}
)
