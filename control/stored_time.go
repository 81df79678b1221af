package control

import (
	"database/sql"
	"time"
)

// Times are kept to the millisecond and in UTC, in the file and in the mirror alike.

func storedTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return timeOfMs(t.UnixMilli())
}

func timeOfMs(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// msOrNull gives null for the zero time.
func msOrNull(t time.Time) sql.Null[int64] {
	return sql.Null[int64]{V: t.UnixMilli(), Valid: !t.IsZero()}
}

func timeOfMsOrNull(ms sql.Null[int64]) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return timeOfMs(ms.V)
}
