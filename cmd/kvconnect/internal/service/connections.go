package service

import (
	"errors"
	"log/slog"

	"github.com/kvconnect/kvconnect/kvconnect"
	"github.com/kvconnect/kvconnect/transport"
)

const (
	// DefaultMaxConnections is how many connections of clients may be open at once. A
	// program has one as a rule, and one that is idle takes some kilobytes.
	DefaultMaxConnections = 16_384

	// maxAdminConnections is the same for the address for operators.
	maxAdminConnections = 128

	// maxChallengeConnections is the same for certificate authorities, which make a few, on a
	// port that everybody reaches; of one address there are fewer.
	maxChallengeConnections           = 64
	maxChallengeConnectionsPerAddress = 16

	// otherFiles is how many files are open besides connections of clients and databases,
	// roughly: those of the runtime and of the control database, connections of operators
	// and those that are being refused.
	otherFiles = 256

	// filesPerDatabase is how many an open database takes, its connections for reading
	// included.
	filesPerDatabase = 10
)

// ConnectionLimits bound the connections of clients. Both are inclusive, and 0 for no bound
// but that of open files.
type ConnectionLimits struct {
	Max           int
	MaxPerAddress int
}

// Validate fails for limits that make no sense.
func (l ConnectionLimits) Validate() error {
	if l.Max < 0 {
		return errors.New("--max-connections: give a number from 1 on, or 0 for as many as there may be open files")
	}
	if l.MaxPerAddress < 0 {
		return errors.New("--max-connections-per-address: give a number from 1 on, or 0 for no bound")
	}
	return nil
}

// within gives the limits that leave open files to the databases. Without a place that is
// kept for them, a flood of connections would keep databases from being opened.
func (l ConnectionLimits) within(openFiles, databases int, logger *slog.Logger) ConnectionLimits {
	if openFiles == 0 {
		return l
	}
	// Databases are seldom all open at once, so they do not get more than half.
	most := max(1, openFiles-otherFiles-databases*filesPerDatabase, openFiles/2-otherFiles)
	if l.Max == 0 || l.Max > most {
		if l.Max > most {
			logger.Warn("fewer connections than asked for, because of the limit of open files",
				"max_connections", most, "asked", l.Max, "open_files", openFiles)
		}
		l.Max = most
	}
	return l
}

// gate gives what connections of clients go through.
func (l ConnectionLimits) gate(logger *slog.Logger) *transport.Gate {
	return transport.NewGate(transport.GateOptions{MaxConnections: l.Max, MaxPerAddress: l.MaxPerAddress, Logger: logger})
}

// ConnectionStats are the numbers of the connections of clients.
type ConnectionStats struct {
	transport.GateStats
	// Carried are those that are open by what they speak, and the streams of HTTP/2 that
	// the transport has cut off because their clients did not take what was there.
	Carried transport.Stats
	// StalledReplies is how many replies over net/http were cut off for that.
	StalledReplies uint64
}

func connectionStats(gate *transport.Gate, carrier countingCarrier, server *kvconnect.Server) ConnectionStats {
	return ConnectionStats{GateStats: gate.Stats(), Carried: carrier.Stats(), StalledReplies: server.StalledReplies()}
}

// Stalled is how many replies were cut off, whatever carried them.
func (s ConnectionStats) Stalled() uint64 { return s.Carried.Stalled + s.StalledReplies }
