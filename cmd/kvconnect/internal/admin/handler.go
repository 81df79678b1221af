package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

const (
	// pathPrefix is what all paths of the operations begin with.
	pathPrefix = "/admin/v1"

	maxBodyBytes = 64 << 10
)

var (
	errUnauthorized = errors.New("the admin token is missing or wrong: send the header \"Authorization: Bearer <token>\"")
	errMalformed    = errors.New("the request body cannot be decoded")
	errTooLarge     = errors.New("the request body is too large")
	errPastExpiry   = errors.New("the access token would have expired already: leave its expiry out for one that does not expire")
)

// Handler serves operations over HTTP to who has the admin token. Every other path goes to
// next.
type Handler struct {
	tokenHash [sha256.Size]byte
	logger    *slog.Logger
	mux       *http.ServeMux // of the operations alone
	next      http.Handler
}

// NewHandler gives a Handler.
func NewHandler(o Operations, token string, next http.Handler, logger *slog.Logger) *Handler {
	h := &Handler{tokenHash: sha256.Sum256([]byte(token)), logger: logger, mux: http.NewServeMux(), next: next}
	route(h, "POST /databases", func(ctx context.Context, _ *http.Request, body CreateDatabase) (any, error) {
		return o.CreateDatabase(ctx, body)
	})
	route(h, "POST /databases/adopt", func(ctx context.Context, _ *http.Request, body AdoptDatabase) (any, error) {
		return o.AdoptDatabase(ctx, body)
	})
	route(h, "GET /databases", func(ctx context.Context, _ *http.Request, _ nothing) (any, error) {
		return o.Databases(ctx)
	})
	route(h, "PATCH /databases/{database}", func(ctx context.Context, r *http.Request, body ChangeDatabase) (any, error) {
		return o.ChangeDatabase(ctx, r.PathValue("database"), body)
	})
	route(h, "DELETE /databases/{database}", func(ctx context.Context, r *http.Request, _ nothing) (any, error) {
		return o.DeleteDatabase(ctx, r.PathValue("database"))
	})
	route(h, "GET /databases/{database}/stats", func(ctx context.Context, r *http.Request, _ nothing) (any, error) {
		return o.DatabaseStats(ctx, r.PathValue("database"))
	})
	route(h, "POST /tokens", func(ctx context.Context, _ *http.Request, body CreateToken) (any, error) {
		return o.CreateToken(ctx, body)
	})
	route(h, "GET /tokens", func(ctx context.Context, r *http.Request, _ nothing) (any, error) {
		return o.Tokens(ctx, r.URL.Query().Get("database"))
	})
	route(h, "PATCH /tokens/{token}", func(ctx context.Context, r *http.Request, body ChangeToken) (any, error) {
		return o.ChangeToken(ctx, r.PathValue("token"), body)
	})
	route(h, "DELETE /tokens/{token}", func(ctx context.Context, r *http.Request, _ nothing) (any, error) {
		return o.RevokeToken(ctx, r.PathValue("token"))
	})
	route(h, "GET /keys", func(ctx context.Context, _ *http.Request, _ nothing) (any, error) {
		return o.Keys(ctx)
	})
	route(h, "POST /keys/rotate", func(ctx context.Context, _ *http.Request, body RotateKeys) (any, error) {
		return o.RotateKeys(ctx, body)
	})
	route(h, "GET /keys/public", func(ctx context.Context, _ *http.Request, _ nothing) (any, error) {
		return o.PublicKeys(ctx)
	})
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != pathPrefix && !strings.HasPrefix(r.URL.Path, pathPrefix+"/"):
		h.next.ServeHTTP(w, r)
	case !h.authorized(r): // before the path is looked at: who has no token learns nothing
		h.reply(w, r, nil, errUnauthorized)
	default:
		h.mux.ServeHTTP(w, r)
	}
}

// Guard gives a handler that serves next to who has the admin token.
func (h *Handler) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.authorized(r) {
			h.reply(w, r, nil, errUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *Handler) authorized(r *http.Request) bool {
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	hash := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(hash[:], h.tokenHash[:]) == 1 && isBearer
}

// nothing is the body of a request that has none.
type nothing struct{}

// route has a pattern served by an operation, whose body is decoded for it.
func route[T any](h *Handler, pattern string, serve func(context.Context, *http.Request, T) (any, error)) {
	method, path, _ := strings.Cut(pattern, " ")
	h.mux.HandleFunc(method+" "+pathPrefix+path, func(w http.ResponseWriter, r *http.Request) {
		var body T
		if _, none := any(body).(nothing); !none {
			if err := decode(w, r, &body); err != nil {
				h.reply(w, r, nil, err)
				return
			}
		}
		// What was begun is finished, whether the operator waits for it or not: a token
		// that is revoked must be revoked everywhere.
		result, err := serve(context.WithoutCancel(r.Context()), r, body)
		h.reply(w, r, result, err)
	})
}

func decode(w http.ResponseWriter, r *http.Request, body any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	decoder.DisallowUnknownFields() // a limit that is misspelt must not be left out
	err := decoder.Decode(body)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		return fmt.Errorf("%w: there is more after its end", errMalformed)
	}
	var maxBytesError *http.MaxBytesError
	if errors.As(err, &maxBytesError) {
		return fmt.Errorf("%w: at most %d bytes", errTooLarge, maxBodyBytes)
	}
	return fmt.Errorf("%w: %w", errMalformed, err)
}

// errorReply is the body of a reply that is an error.
type errorReply struct {
	Error string `json:"error"`
}

func (h *Handler) reply(w http.ResponseWriter, r *http.Request, result any, err error) {
	status := http.StatusOK
	if err != nil {
		status = statusOf(err)
		result = errorReply{Error: err.Error()}
		if status >= http.StatusInternalServerError {
			h.logger.Error("operation failed", "operation", r.Pattern, "error", err)
		}
	}
	body, err := json.Marshal(result)
	if err != nil {
		h.logger.Error("reply cannot be encoded", "operation", r.Pattern, "error", err)
		status, body = http.StatusInternalServerError, []byte(`{"error":"the reply cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that nobody waits for it
}
