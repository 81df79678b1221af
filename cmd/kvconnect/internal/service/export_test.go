package service

import "log/slog"

// Within gives the limits that leave open files to the databases.
func (l ConnectionLimits) Within(openFiles, databases int, logger *slog.Logger) ConnectionLimits {
	return l.within(openFiles, databases, logger)
}

// NewChallengeServer and NewAdminServer are the servers beside that of clients.
var (
	NewChallengeServer = newChallengeServer
	NewAdminServer     = newAdminServer
)
