package control_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/control"
	"github.com/kvconnect/kvconnect/protocol"
)

// model is what a store must hold, in the plainest form. Access tokens go by their note,
// which is the token itself.
type model struct {
	databases map[uuid.UUID]control.Database
	tokens    []control.Token      // without ids
	written   map[string]time.Time // when tokens were last used, as it is in the file
	deleted   []string
	keys      []auth.Key
	now       time.Time
	made      int // tokens and keys
}

func newModel() *model {
	return &model{databases: make(map[uuid.UUID]control.Database), written: make(map[string]time.Time), now: epoch}
}

// step is something that is done to a store and to its model.
type step struct {
	name    string
	inStore func(context.Context, *control.Store) error
	inModel func(*model) error
}

// next draws a step that is possible, or is a mistake now and then.
func (m *model) next(random *rand.Rand) step {
	steps := []func(*rand.Rand) step{
		m.createDatabase, m.renameDatabase, m.setDatabaseLimits, m.createToken, m.createToken, m.createToken,
		m.revokeToken, m.setTokenLimits, m.use, m.use, m.flushLastUsed, m.saveKeys,
	}
	if random.IntN(50) == 0 {
		return m.deleteDatabase(random)
	}
	return steps[random.IntN(len(steps))](random)
}

// take makes the step in the model, a second after the one before.
func (m *model) take(s step) error {
	m.now = m.now.Add(time.Second)
	return s.inModel(m)
}

// takeBoth makes the step in the store too, and fails unless that ends in the same way.
func (m *model) takeBoth(ctx context.Context, s step, store *control.Store, c *clock) error {
	c.Advance(time.Second)
	want, got := m.take(s), s.inStore(ctx, store)
	if !sameEnd(want, got) {
		return fmt.Errorf("%s ended with %w, want %w", s.name, got, want)
	}
	return nil
}

// crash forgets what is not in the file.
func (m *model) crash() {
	for i := range m.tokens {
		m.tokens[i].LastUsedAt = m.written[m.tokens[i].Note]
	}
}

// content gives what the store shows, but for the ids of tokens.
func (m *model) content() content {
	c := content{Databases: []control.Database{}, Tokens: []control.Token{}, Grants: make(map[string]grantContent), Keys: m.keys}
	for _, d := range m.databases {
		c.Databases = append(c.Databases, d)
	}
	slices.SortFunc(c.Databases, func(a, b control.Database) int { return cmp.Compare(a.Name, b.Name) })
	for _, t := range m.tokens {
		c.Tokens = append(c.Tokens, t)
		var err error
		if !t.ExpiresAt.IsZero() && !t.ExpiresAt.After(m.now) {
			err = protocol.ErrTokenExpired
		}
		if !t.RevokedAt.IsZero() {
			err = protocol.ErrTokenRevoked
		}
		c.Grants[t.Note] = grantContent{
			Err: err, DatabaseID: t.DatabaseID, Scope: t.Scope, ExpiresAt: t.ExpiresAt, LastUsed: t.LastUsedAt,
			Token: t.Limits, Database: m.databases[t.DatabaseID].Limits,
		}
	}
	for _, note := range m.deleted {
		c.Grants[note] = grantContent{Err: protocol.ErrTokenRevoked}
	}
	return c
}

// allTokens gives all access tokens that there ever were.
func (m *model) allTokens() []string {
	var all []string
	for i := range m.made {
		all = append(all, fmt.Sprint("token ", i))
	}
	return all
}

// compare gives how the store differs from the model.
func (m *model) compare(store *control.Store) string {
	got := contentOf(store, m.now, m.allTokens()...)
	for i := range got.Tokens {
		grant, _ := store.GrantByHash(hashOf(got.Tokens[i].Note))
		if grant != nil && grant.TokenID == got.Tokens[i].ID {
			got.Tokens[i].ID = ""
		}
	}
	for _, note := range m.deleted { // of these, only that they are revoked is certain
		if grant, found := got.Grants[note]; found {
			got.Grants[note] = grantContent{Err: grant.Err}
		}
	}
	return diffContents(m.content(), got)
}

func (m *model) anyDatabase(random *rand.Rand) uuid.UUID {
	ids := slices.SortedFunc(maps.Keys(m.databases), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	if len(ids) == 0 || random.IntN(20) == 0 {
		return anyID(random)
	}
	return ids[random.IntN(len(ids))]
}

func anyID(random *rand.Rand) (id uuid.UUID) {
	for i := range id {
		id[i] = byte(random.Uint32())
	}
	return id
}

// anyToken gives a token that there is or was, or -1 as the index of one that is not in the
// list.
func (m *model) anyToken(random *rand.Rand) (note string, index int) {
	note = fmt.Sprint("token ", random.IntN(m.made+1))
	return note, slices.IndexFunc(m.tokens, func(t control.Token) bool { return t.Note == note })
}

func anyName(random *rand.Rand) string {
	return []string{"default", "orders", "invoices", "a", "b", "c", "No Name"}[random.IntN(7)]
}

func anyLimits(random *rand.Rand) access.Limits {
	return access.Limits{RequestsPerSecond: random.Float64() * 100, Watches: random.IntN(12) - 1}
}

func (m *model) named(name string) (control.Database, bool) {
	for _, d := range m.databases {
		if d.Name == name {
			return d, true
		}
	}
	return control.Database{}, false
}

func (m *model) createDatabase(random *rand.Rand) step {
	d := control.Database{ID: anyID(random), Name: anyName(random), Limits: anyLimits(random)}
	if random.IntN(10) == 0 {
		d.ID = m.anyDatabase(random)
	}
	return step{
		fmt.Sprintf("create %+v", d),
		func(ctx context.Context, s *control.Store) error {
			_, err := s.CreateDatabase(ctx, d)
			return err
		},
		func(m *model) error {
			_, exists := m.databases[d.ID]
			_, taken := m.named(d.Name)
			switch {
			case d.Name == "No Name":
				return control.ErrInvalidName
			case d.Limits.Watches < 0:
				return access.ErrInvalidLimits
			case exists:
				return control.ErrDatabaseExists
			case taken:
				return control.ErrNameTaken
			}
			d.CreatedAt = m.now
			m.databases[d.ID] = d
			return nil
		},
	}
}

func (m *model) renameDatabase(random *rand.Rand) step {
	id, name := m.anyDatabase(random), anyName(random)
	return step{
		fmt.Sprintf("rename %s to %s", id, name),
		func(ctx context.Context, s *control.Store) error {
			_, err := s.RenameDatabase(ctx, id, name)
			return err
		},
		func(m *model) error {
			d, exists := m.databases[id]
			holder, taken := m.named(name)
			switch {
			case name == "No Name":
				return control.ErrInvalidName
			case !exists:
				return control.ErrNoDatabase
			case taken && holder.ID != id:
				return control.ErrNameTaken
			}
			d.Name = name
			m.databases[id] = d
			return nil
		},
	}
}

func (m *model) setDatabaseLimits(random *rand.Rand) step {
	id, limits := m.anyDatabase(random), anyLimits(random)
	limits.FileBytes = random.Int64N(1000)
	return step{
		fmt.Sprintf("limit %s to %+v", id, limits),
		func(ctx context.Context, s *control.Store) error {
			_, err := s.SetDatabaseLimits(ctx, id, limits)
			return err
		},
		func(m *model) error {
			d, exists := m.databases[id]
			switch {
			case limits.Watches < 0:
				return access.ErrInvalidLimits
			case !exists:
				return control.ErrNoDatabase
			}
			d.Limits = limits
			m.databases[id] = d
			return nil
		},
	}
}

func (m *model) deleteDatabase(random *rand.Rand) step {
	id := m.anyDatabase(random)
	return step{
		fmt.Sprintf("delete %s", id),
		func(ctx context.Context, s *control.Store) error { return s.DeleteDatabase(ctx, id) },
		func(m *model) error {
			if _, exists := m.databases[id]; !exists {
				return control.ErrNoDatabase
			}
			delete(m.databases, id)
			m.tokens = slices.DeleteFunc(m.tokens, func(t control.Token) bool {
				if t.DatabaseID == id {
					m.deleted = append(m.deleted, t.Note)
				}
				return t.DatabaseID == id
			})
			return nil
		},
	}
}

func (m *model) createToken(random *rand.Rand) step {
	t := control.Token{
		DatabaseID: m.anyDatabase(random), Scope: []access.Scope{access.ScopeRead, access.ScopeWrite}[random.IntN(2)],
		Note: fmt.Sprint("token ", m.made), Limits: anyLimits(random),
	}
	if random.IntN(2) == 0 {
		t.ExpiresAt = m.now.Add(time.Duration(random.IntN(1000)) * time.Second)
	}
	if random.IntN(20) == 0 {
		t.Note, _ = m.anyToken(random)
	}
	return step{
		fmt.Sprintf("create %+v", t),
		func(ctx context.Context, s *control.Store) error {
			_, err := s.CreateToken(ctx, control.NewToken{
				DatabaseID: t.DatabaseID, Scope: t.Scope, Note: t.Note, ExpiresAt: t.ExpiresAt, Limits: t.Limits, Hash: hashOf(t.Note),
			})
			return err
		},
		func(m *model) error {
			_, exists := m.databases[t.DatabaseID]
			known := slices.Contains(m.deleted, t.Note) ||
				slices.ContainsFunc(m.tokens, func(other control.Token) bool { return other.Note == t.Note })
			switch {
			case t.Limits.Watches < 0:
				return access.ErrInvalidLimits
			case !exists:
				return control.ErrNoDatabase
			case known:
				return control.ErrTokenExists
			}
			t.CreatedAt = m.now
			m.tokens = append(m.tokens, t)
			m.made++
			return nil
		},
	}
}

// idOf gives the id of a token.
func idOf(s *control.Store, note string) string {
	if grant, found := s.GrantByHash(hashOf(note)); found {
		return grant.TokenID
	}
	return "t_absent"
}

func (m *model) revokeToken(random *rand.Rand) step {
	note, index := m.anyToken(random)
	return step{
		"revoke " + note,
		func(ctx context.Context, s *control.Store) error {
			_, err := s.RevokeToken(ctx, idOf(s, note))
			return err
		},
		func(m *model) error {
			if index < 0 {
				return control.ErrNoToken
			}
			if m.tokens[index].RevokedAt.IsZero() {
				m.tokens[index].RevokedAt = m.now
			}
			return nil
		},
	}
}

func (m *model) setTokenLimits(random *rand.Rand) step {
	note, index := m.anyToken(random)
	limits := anyLimits(random)
	return step{
		fmt.Sprintf("limit %s to %+v", note, limits),
		func(ctx context.Context, s *control.Store) error {
			_, err := s.SetTokenLimits(ctx, idOf(s, note), limits)
			return err
		},
		func(m *model) error {
			switch {
			case limits.Watches < 0:
				return access.ErrInvalidLimits
			case index < 0:
				return control.ErrNoToken
			}
			m.tokens[index].Limits = limits
			return nil
		},
	}
}

// use has somebody come with a token.
func (m *model) use(random *rand.Rand) step {
	note, index := m.anyToken(random)
	now := m.now.Add(time.Second)
	return step{
		"use " + note,
		func(_ context.Context, s *control.Store) error {
			if grant, found := s.GrantByHash(hashOf(note)); found {
				grant.Use(now)
			}
			return nil
		},
		func(m *model) error {
			if index >= 0 {
				m.tokens[index].LastUsedAt = now
			}
			return nil
		},
	}
}

func (m *model) flushLastUsed(*rand.Rand) step {
	return step{
		"flush",
		func(ctx context.Context, s *control.Store) error { return s.FlushLastUsed(ctx) },
		func(m *model) error {
			for _, t := range m.tokens {
				m.written[t.Note] = t.LastUsedAt
			}
			return nil
		},
	}
}

func (m *model) saveKeys(random *rand.Rand) step {
	ring := slices.Clone(m.keys)
	if len(ring) > 0 && ring[0].RetiredAt.IsZero() {
		ring[0].RetiredAt = m.now
	}
	ring = slices.Insert(ring, 0, newKey(fmt.Sprint("key ", random.Uint64()), m.now))
	if len(ring) > 3 {
		ring = ring[:3]
	}
	return step{
		"rotate keys",
		func(ctx context.Context, s *control.Store) error { return s.SaveKeys(ctx, ring) },
		func(m *model) error {
			m.keys = ring
			return nil
		},
	}
}
