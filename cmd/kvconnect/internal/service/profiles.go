package service

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof" // it registers with a mux, too, that nobody here serves
	"strings"
)

// profilesPath is what the paths of profiles begin with, as tools expect it.
const profilesPath = "/debug/pprof/"

var (
	errProfilesNeedAdmin = errors.New("--pprof serves profiles on the admin listener: give it an address with --admin-addr")
	errProfilesExposed   = errors.New("--pprof with one file has no token to protect the profiles, which show what is in memory: " +
		"let --admin-addr be an address that only this machine reaches, such as " + DefaultAdminAddr)
)

// checkProfiles fails if profiles are to be served where they cannot be, or where anybody may
// reach them.
func checkProfiles(options Options, l *listeners) error {
	switch {
	case !options.Profiles:
		return nil
	case l.admin == nil:
		return errProfilesNeedAdmin
	case options.DataDir == "" && !isLoopback(l.admin.Addr().String()):
		return fmt.Errorf("%w, not %s", errProfilesExposed, l.admin.Addr())
	default:
		return nil
	}
}

// isLoopback tells whether an address, perhaps with a port, is that of this machine alone.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = strings.Trim(addr, "[]")
	}
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// newProfiles serves the profiles of the process, but not its command line, on which the
// access token may be.
func newProfiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(profilesPath, pprof.Index)
	mux.HandleFunc(profilesPath+"profile", pprof.Profile)
	mux.HandleFunc(profilesPath+"symbol", pprof.Symbol)
	mux.HandleFunc(profilesPath+"trace", pprof.Trace)
	return mux
}

// withProfiles serves profiles, by a handler that looks at who asks, and leaves the rest to
// next. There are none if it is nil.
func withProfiles(profiles, next http.Handler) http.Handler {
	if profiles == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, profilesPath) {
			profiles.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// onlyLocal refuses requests that do not name this machine. A page in a browser on it, which
// can make a name of its own lead here, cannot read the profiles then.
func onlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host) {
			http.Error(w, "profiles are served to this machine alone: ask for them as localhost", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
