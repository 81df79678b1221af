package transport_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// rest is what net/http serves. It has these paths:
//
//	/         replies the body, and says how it came
//	/idle     reads nothing and waits until it is given up
//	/stream   replies the lines that it gets, each at once
//	/first    replies before it reads anything, and ends
//	/big      replies as many bytes as the body says
//	/hello    replies a greeting
//	/hurry    reads the body with a deadline of the time that the query tells
func rest(c *calls) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", restEcho)
	mux.HandleFunc("/idle", func(_ http.ResponseWriter, r *http.Request) {
		notify(c.begun, struct{}{})
		select {
		case <-r.Context().Done():
		case <-c.released:
		}
		notify(c.ended, r.Context().Err())
	})
	mux.HandleFunc("/stream", restStream)
	mux.HandleFunc("/first", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "at once") })
	mux.HandleFunc("/big", restBig)
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			_, _ = io.WriteString(w, greeting)
		}
	})
	mux.HandleFunc("/hurry", restHurry)
	return mux
}

func restEcho(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/echo")
	w.Header().Set("X-Came", fmt.Sprintf("%s %s %s%s, TLS: %t", r.Method, r.Proto, r.Host, r.URL, r.TLS != nil))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func restStream(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.Flush()
	piece := make([]byte, 1<<10)
	for {
		n, err := r.Body.Read(piece)
		if _, err := w.Write(piece[:n]); err != nil {
			return
		}
		if control.Flush() != nil || err != nil {
			return
		}
	}
}

func restBig(w http.ResponseWriter, r *http.Request) {
	var n int
	if _, err := fmt.Fscan(r.Body, &n); err != nil || n > maxBigBytes {
		http.Error(w, "say how much", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(n))
	_, _ = w.Write(big[:n])
}

func restHurry(w http.ResponseWriter, r *http.Request) {
	after, err := time.ParseDuration(r.URL.RawQuery)
	if err == nil {
		err = http.NewResponseController(w).SetReadDeadline(time.Now().Add(after))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, err = io.ReadAll(r.Body)
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		http.Error(w, "too late", http.StatusRequestTimeout)
		return
	}
	_, _ = io.WriteString(w, "in time")
}
