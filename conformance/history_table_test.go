package conformance

import "github.com/kvconnect/kvconnect/protocol"

func handMadeHistories() map[string]handMade {
	// Two writes one after the other, and one that begins after both.
	first := commitAt(10, 20, 1, nil, setWord("a", "1"), setWord("b", "1"))
	second := commitAt(30, 40, 2, nil, setWord("a", "2"), del(key("b")))
	counted := commitAt(10, 20, 1, nil, setWord("a", "1"), sum("b", 5))
	inReverse := protocol.ReadRange{Start: key("a"), End: key("z"), Limit: 1, Reverse: true}
	nothing := entries()

	return map[string]handMade{
		"good: one after the other": {history: calls(
			readAt(1, 2, nothing), first, readAt(21, 22, entries(word("a", "1", 1), word("b", "1", 1))),
			second, readAt(41, 42, entries(word("a", "2", 2)), nothing),
		)},
		"good: a read beside a write sees it or not": {history: calls(
			first, second,
			readAt(31, 33, entries(word("a", "2", 2))), readAt(32, 39, entries(word("a", "2", 2))),
			readAt(25, 35, entries(word("a", "1", 1), word("b", "1", 1))),
		)},
		"good: writes beside each other, in either order": {history: calls(
			commitAt(10, 20, 5, nil, setWord("a", "1")), commitAt(11, 19, 3, nil, setWord("a", "2")),
			readAt(21, 22, entries(word("a", "1", 5))),
		)},
		"good: check, sum and reverse range": {history: calls(
			counted, commitAt(30, 40, 2, checks(isAt("b", 1), isAt("c", 0)), sum("b", 2)),
			failAt(50, 60, writeCheckFailed, []uint32{1}, checks(isAt("b", 2), isAt("b", 1)), setWord("a", "3")),
			failAt(61, 70, writeTypeMismatch, nil, nil, sum("b", 1), sum("a", 1)),
			&readCall{
				span:    span{80, 90},
				request: protocol.SnapshotRead{Ranges: []protocol.ReadRange{inReverse}},
				output:  protocol.SnapshotReadOutput{Ranges: [][]protocol.Entry{{count(7, 2)}}},
			},
		)},
		"good: a lost write shows late": {history: calls(
			first, commitAt(15, never, 7, nil, setWord("a", "2")),
			readAt(30, 40, entries(word("a", "1", 1), word("b", "1", 1))),
			readAt(50, 60, entries(word("a", "2", 7), word("b", "1", 1))),
		)},
		"good: watches that skip states, and one opened again": {history: calls(first, second).
			watched(watchAt(told(5, absent(), absent()), told(45, word("a", "2", 2), absent()))).
			watched(watchHistory{keys: [][]byte{key("b")}, streams: []watchedStream{
				{opened: 1, states: []watchedState{{5, []*protocol.Entry{nil}}}},
				{opened: 2},
				{opened: 41, states: []watchedState{{45, []*protocol.Entry{nil}}}},
			}})},

		"a stale read": {history: calls(
			first, second, readAt(41, 42, entries(word("a", "1", 1), word("b", "1", 1))),
		), want: errStale},
		"reads that go back, though both are beside the write": {history: calls(
			first, commitAt(30, 100, 2, nil, setWord("a", "2")),
			readAt(40, 50, entries(word("a", "2", 2), word("b", "1", 1))),
			readAt(60, 70, entries(word("a", "1", 1), word("b", "1", 1))),
		), want: errStale},
		"a lost write that shows and is gone again": {history: calls(
			first, commitAt(15, never, 7, nil, setWord("a", "2")),
			readAt(30, 40, entries(word("a", "2", 7), word("b", "1", 1))),
			readAt(50, 60, entries(word("a", "1", 1), word("b", "1", 1))),
		), want: errStale},
		"a read of a write to come": {history: calls(
			first, readAt(21, 22, entries(word("a", "2", 2))), second,
		), want: errNotYet},
		"half a write": {history: calls(
			first, readAt(21, 22, entries(word("a", "1", 1))),
		), want: errNoSuchState},
		"a snapshot read that mixes two moments": {history: calls(
			first, second, readAt(25, 45, entries(word("a", "2", 2)), entries(word("b", "1", 1))),
		), want: errNoSuchState},
		"a value that nobody wrote": {history: calls(
			first, readAt(21, 22, entries(word("a", "3", 1), word("b", "1", 1))),
		), want: errNoSuchState},
		"a value under another versionstamp": {history: calls(
			first, readAt(21, 22, entries(word("a", "1", 2), word("b", "1", 1))),
		), want: errNoSuchState},
		"an entry too many for the limit": {history: calls(first, &readCall{
			span:    span{21, 22},
			request: protocol.SnapshotRead{Ranges: []protocol.ReadRange{inReverse}},
			output:  protocol.SnapshotReadOutput{Ranges: [][]protocol.Entry{{word("b", "1", 1), word("a", "1", 1)}}},
		}), want: errNoSuchState},
		"a range less in the output": {history: calls(first, &readCall{
			span: span{21, 22}, request: protocol.SnapshotRead{Ranges: []protocol.ReadRange{inReverse}},
		}), want: errNoSuchState},
		"a deletion that does not last": {history: calls(
			first, second, readAt(41, 42, entries(word("a", "2", 2), word("b", "1", 1))),
		), want: errNoSuchState},
		"a lost update": {history: calls(
			first,
			commitAt(30, 50, 2, checks(isAt("a", 1)), setWord("a", "2")),
			commitAt(31, 49, 3, checks(isAt("a", 1)), setWord("a", "3")),
		), want: errImpossibleWrite},
		"a sum that was applied twice": {history: calls(
			counted, readAt(21, 22, entries(word("a", "1", 1), count(10, 1))),
		), want: errNoSuchState},
		"a sum that was lost": {history: calls(
			counted, commitAt(30, 50, 2, nil, sum("b", 2)), commitAt(31, 49, 3, nil, sum("b", 2)),
			readAt(60, 70, entries(word("a", "1", 1), count(7, 3))),
		), want: errNoSuchState},
		"a write that was refused and leaves something": {history: calls(
			counted, failAt(30, 40, writeTypeMismatch, nil, nil, setWord("c", "x"), sum("a", 1)),
			readAt(50, 60, entries(word("a", "1", 1), count(5, 1), word("c", "x", 2))),
		), want: errNoSuchState},
		"a write whose check failed and leaves something": {history: calls(
			first, failAt(30, 40, writeCheckFailed, []uint32{0}, checks(isAt("a", 0)), setWord("b", "x")),
			readAt(50, 60, entries(word("a", "1", 1), word("b", "x", 2))),
		), want: errNoSuchState},
		"a check that should have failed": {history: calls(
			first, commitAt(30, 40, 2, checks(isAt("a", 0)), setWord("b", "2")),
		), want: errImpossibleWrite},
		"a check that should not have failed": {history: calls(
			first, failAt(30, 40, writeCheckFailed, []uint32{0}, checks(isAt("c", 0))),
		), want: errNoSuchState},
		"a check that failed without one that is listed": {history: calls(
			first, failAt(30, 40, writeCheckFailed, nil, checks(isAt("a", 1))),
		), want: errNoSuchState},
		"a failed check that is not listed": {history: calls(
			first, failAt(30, 40, writeCheckFailed, []uint32{0}, checks(isAt("a", 0), isAt("b", 0))),
		), want: errNoSuchState},
		"a check that fails on what was overwritten before": {history: calls(
			first, second, failAt(50, 60, writeCheckFailed, []uint32{0}, checks(isAt("a", 2)), setWord("c", "x")),
		), want: errStale},
		"a refusal without a reason": {history: calls(
			counted, failAt(30, 40, writeTypeMismatch, nil, nil, sum("b", 1)),
		), want: errNoSuchState},
		"a commit of a sum that does not fit": {history: calls(
			first, commitAt(30, 40, 2, nil, sum("a", 1)),
		), want: errImpossibleWrite},
		"a later write with an earlier versionstamp": {history: calls(
			commitAt(10, 20, 2, nil, setWord("a", "1")), commitAt(30, 40, 1, nil, setWord("a", "2")),
		), want: errVersionstampBack},
		"a write with a versionstamp before what was read": {history: calls(
			commitAt(10, 100, 2, nil, setWord("a", "1")), readAt(20, 30, entries(word("a", "1", 2))),
			commitAt(40, 50, 1, nil),
		), want: errNotYet},
		"one versionstamp for two writes": {history: calls(
			commitAt(10, 20, 1, nil, setWord("a", "1")), commitAt(11, 19, 1, nil),
		), want: errVersionstampTwice},
		"a commit without a versionstamp": {history: calls(
			commitAt(10, 20, 0, nil, setWord("a", "1")),
		), want: errImpossibleWrite},

		"a watch that goes back": {onlyWatches: true, history: calls(first, second).watched(watchAt(
			told(45, word("a", "2", 2), absent()), told(46, word("a", "1", 1), word("b", "1", 1)), told(47, word("a", "2", 2), absent()),
		)), want: errStale},
		"a watch that mixes two moments": {onlyWatches: true, history: calls(first, second).watched(watchAt(
			told(45, word("a", "2", 2), word("b", "1", 1)), told(46, word("a", "2", 2), absent()),
		)), want: errNoSuchState},
		"a watch that invents": {onlyWatches: true, history: calls(first, second).watched(watchAt(
			told(45, word("a", "3", 2), absent()), told(46, word("a", "2", 2), absent()),
		)), want: errNoSuchState},
		"a watch that tells of a write to come": {onlyWatches: true, history: calls(first, second).watched(watchAt(
			told(25, word("a", "2", 2), absent()),
		)), want: errNotYet},
		"a watch that does not end at the last state": {onlyWatches: true, history: calls(first, second).watched(watchAt(
			told(25, word("a", "1", 1), word("b", "1", 1)),
		)), want: errWatchBehind},
		"a watch that does not tell of the last deletion": {onlyWatches: true, history: calls(
			first, commitAt(30, 40, 2, nil, del(key("b"))),
		).watched(watchAt(
			told(25, word("a", "1", 1), word("b", "1", 1)),
		)), want: errWatchBehind},
		"a watch that tells of nothing": {onlyWatches: true, history: calls(first).watched(watchAt()), want: errWatchBehind},
		"a watch that begins with what is over": {onlyWatches: true, history: calls(first, second).watched(watchHistory{
			keys: [][]byte{key("a")}, streams: []watchedStream{{opened: 41, states: []watchedState{
				told(45, word("a", "1", 1)), told(46, word("a", "2", 2)),
			}}},
		}), want: errStale},
		"a watch that is opened again and goes back": {onlyWatches: true, history: calls(
			first, commitAt(30, 100, 2, nil, setWord("a", "2")),
		).watched(watchHistory{
			keys: [][]byte{key("a")}, streams: []watchedStream{
				{opened: 1, states: []watchedState{told(45, word("a", "2", 2))}},
				{opened: 46, states: []watchedState{
					told(50, word("a", "1", 1)), told(60, word("a", "2", 2)),
				}},
			},
		}), want: errStale},
		"a read of less than a watch has told": {onlyWatches: true, history: calls(
			first, commitAt(30, 100, 2, nil, setWord("a", "2")), readAt(60, 70, entries(word("a", "1", 1), word("b", "1", 1))),
		).watched(watchAt(
			told(50, word("a", "2", 2), word("b", "1", 1)),
		)), want: errStale},
	}
}
