package sqlitebackend_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kvconnect/kvconnect/protocol"
	"github.com/kvconnect/kvconnect/sqlitebackend"
)

// failure is a way for a write to fail.
type failure struct {
	stored    []protocol.Value    // each of which the key "word" may have
	mutations []protocol.Mutation // the last of which fails; none if it is a check
	text      string              // in the error
}

func v8(data string) protocol.Value {
	return protocol.Value{Data: []byte(data), Encoding: protocol.EncodingV8}
}

var (
	number   = v8("\xff\x0fI\x02")
	bigInt   = v8("\xff\x0fZ\x02\x01")
	negative = v8("\xff\x0fZ\x03\x01")
	v8Text   = v8("\xff\x0f\"\x01x")
	noV8     = v8("broken")
	u64      = protocol.U64Value(1)
	noU64s   = []protocol.Value{bytesValue(""), bytesValue("8 bytes!"), v8Text, noV8, v8(""), number, bigInt}
	whatever = []protocol.Value{u64, v8Text}
)

// combining gives a sum, min or max of the key "word".
func combining(kind protocol.MutationType, operand protocol.Value) protocol.Mutation {
	return protocol.Mutation{Type: kind, Key: []byte("word"), Value: operand}
}

// bounded gives a sum with an upper bound.
func bounded(operand, bound protocol.Value) protocol.Mutation {
	m := combining(protocol.MutationSum, operand)
	m.SumMax = bound.Data
	return m
}

// failures are all ways for a write to fail that the protocol knows.
func failures() map[string]failure {
	all := map[string]failure{"check": {stored: whatever}}
	add := func(name, text string, stored []protocol.Value, mutations ...protocol.Mutation) {
		all[name] = failure{stored, mutations, text}
	}
	for _, kind := range []protocol.MutationType{protocol.MutationSum, protocol.MutationMin, protocol.MutationMax} {
		text := "Failed to perform '" + kind.String() + "' mutation on a non-U64 "
		add(kind.String(), text+"value in the database", noU64s, combining(kind, u64))
		add(kind.String()+" of what the write itself set", text+"value in the database",
			[]protocol.Value{u64}, set("word", "x"), combining(kind, u64))
		if kind != protocol.MutationSum {
			add(kind.String()+" with another operand", text+"operand", whatever, combining(kind, number))
		}
	}
	summing := func(operand protocol.Value) protocol.Mutation { return combining(protocol.MutationSum, operand) }
	add("sum with text", "Some of the parameters are not valid V8 values", whatever, summing(v8Text))
	add("sum with bytes", "Some of the parameters are not valid V8 values", whatever, summing(bytesValue("8 bytes!")))
	add("sum with a bound that is text", "Some of the parameters are not valid V8 values", whatever, bounded(number, v8Text))
	add("sum with a bound of another type", "Min/max parameters have different types than the operand", whatever, bounded(number, bigInt))
	add("sum of KvU64 with a bound", "Cannot use min/max parameters with KvU64 operands", whatever, bounded(u64, bigInt))
	add("sum above its bound", "would exceed its range limit", []protocol.Value{number}, bounded(number, number))
	add("sum of bigints above its bound", "would exceed its range limit", []protocol.Value{bigInt}, bounded(bigInt, bigInt))
	add("number to bigint", "Cannot sum BigInt with Number", []protocol.Value{bigInt}, summing(number))
	add("bigint to number", "Cannot sum Number with BigInt", []protocol.Value{number}, summing(bigInt))
	add("number to KvU64", "Cannot sum KvU64 with Number", []protocol.Value{u64}, summing(number))
	add("negative bigint to KvU64", "Cannot sum KvU64 with BigInt", []protocol.Value{u64}, summing(negative))
	add("number to text", "unsupported value type", []protocol.Value{v8Text, bytesValue("x")}, summing(number))
	add("bigint to what is no V8", "invalid v8 value", []protocol.Value{noV8}, summing(bigInt))
	add("bigint to an empty value", "operand cannot be empty", []protocol.Value{v8("")}, summing(bigInt))
	add("sum that is too long", protocol.ErrValueTooLong.Error(), []protocol.Value{longest}, summing(longest))
	return all
}

// longest is the largest bigint that can be stored.
var longest = func() protocol.Value {
	header := []byte{0xff, 15, 'Z', 0xf4, 0xff, 0x07} // 65530 digits
	return protocol.Value{Data: append(header, bytes.Repeat([]byte{0xff}, 65530)...), Encoding: protocol.EncodingV8}
}()

// failurePositions is how many places in a write there are for what fails.
const failurePositions = 5

// write gives a write that fails at the position.
func (f failure) write(position int) protocol.AtomicWrite {
	if f.mutations == nil {
		checks := slices.Repeat([]protocol.Check{{Key: []byte("absent")}}, failurePositions)
		checks[position].Key = []byte("word")
		return protocol.AtomicWrite{Checks: checks, Mutations: []protocol.Mutation{set("trace", "1")}}
	}
	others := []protocol.Mutation{
		set("trace", "1"), sum("counter"), {Type: protocol.MutationDelete, Key: []byte("kept")}, versionstamped("log"),
	}
	return protocol.AtomicWrite{Mutations: slices.Insert(others, position, f.mutations...)}
}

// verify tells whether a write that fails at the position ended as it must.
func (f failure) verify(position int, output protocol.AtomicWriteOutput, err error) error {
	want := protocol.AtomicWriteOutput{}
	if f.mutations == nil {
		want = protocol.AtomicWriteOutput{Status: protocol.AtomicWriteCheckFailed, FailedChecks: []uint32{uint32(position)}}
	}
	if errors.Is(err, protocol.ErrUnavailable) {
		return fmt.Errorf("it would be tried again in vain: %w", err)
	}
	failed := err != nil && strings.Contains(err.Error(), f.text)
	if diff := cmp.Diff(want, output); diff != "" || failed != (f.mutations != nil) {
		return fmt.Errorf("it ended with %v and the error %s", output, fmt.Sprint(err))
	}
	return nil
}

func versionstamped(key string) protocol.Mutation {
	return protocol.Mutation{Type: protocol.MutationSetVersionstampedKey, Key: []byte(key), Value: bytesValue("x")}
}

// A write that fails leaves nothing, wherever in it and in its group the reason is.
func TestFailingWriteLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, f := range failures() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := open(t, sqlitebackend.Options{Path: tempPath(t)})
			without := open(t, sqlitebackend.Options{Path: tempPath(t)})
			for _, stored := range f.stored {
				for position := range failurePositions {
					for _, place := range [][2]int{{0, 1}, {0, 3}, {1, 3}, {2, 3}} {
						if err := tryFailure(t, with, without, f, stored, position, place[0], place[1]); err != nil {
							t.Fatalf("stored %v, position %d, write %d of %d: %v", stored, position, place[0], place[1], err)
						}
					}
				}
			}
		})
	}
}

// tryFailure has a group committed with the failing write in it, and without it in
// a database of its own. Both databases must be the same afterwards, to the
// versionstamp, and no watch may have been told.
func tryFailure(
	t *testing.T, with, without *sqlitebackend.Backend, f failure, stored protocol.Value, position, index, groupSize int,
) error {
	t.Helper()
	for _, b := range []*sqlitebackend.Backend{with, without} {
		word := protocol.Mutation{Type: protocol.MutationSet, Key: []byte("word"), Value: stored}
		commit(t, b, word, set("kept", "1"), protocol.Mutation{Type: protocol.MutationDelete, Key: []byte("counter")})
	}
	var told atomic.Bool
	watcher, err := with.Watch(protocol.Watch{Keys: [][]byte{[]byte("word"), []byte("kept"), []byte("trace")}}, func() { told.Store(true) })
	if err != nil {
		return err
	}
	defer watcher.Close()

	neighbours := make([]protocol.AtomicWrite, groupSize-1)
	for i := range neighbours {
		neighbours[i].Mutations = []protocol.Mutation{sum("counter"), set(string(rune('a'+i)), "1"), versionstamped("log")}
	}
	wantOutputs, wantErrs := writeAsGroup(t, without, neighbours)
	outputs, errs := writeAsGroup(t, with, slices.Insert(neighbours, index, f.write(position)))

	if err := f.verify(position, outputs[index], errs[index]); err != nil {
		return err
	}
	if err := errors.Join(slices.Concat(wantErrs, slices.Delete(errs, index, index+1))...); err != nil {
		return fmt.Errorf("a neighbour failed: %w", err)
	}
	if diff := cmp.Diff(wantOutputs, slices.Delete(outputs, index, index+1)); diff != "" {
		return fmt.Errorf("neighbours (-want +got):\n%s", diff)
	}
	if want, got := readAll(t, without), readAll(t, with); !reflect.DeepEqual(want, got) { // much faster than cmp.Diff
		return fmt.Errorf("database (-want +got):\n%s", cmp.Diff(want, got))
	}
	if told.Load() {
		return errors.New("a watch was told")
	}
	return nil
}

func readAll(t *testing.T, b *sqlitebackend.Backend) []protocol.Entry {
	t.Helper()
	output, err := b.SnapshotRead(t.Context(), protocol.SnapshotRead{
		Ranges: []protocol.ReadRange{{End: []byte{0xff}, Limit: protocol.MaxReadEntries}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return output.Ranges[0]
}
