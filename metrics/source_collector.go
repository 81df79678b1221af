package metrics

import (
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
)

// sourceCollector collects what the Sources tell.
type sourceCollector struct {
	sources Sources
	slots   *databaseSlots // nil unless databases have series of their own
	// databasesOpen is sources.Databases; nil for none.
	databasesOpen *patientSource

	walBytes, fileBytes, keys, writable             *prometheus.Desc
	open, opening, closing, waiting, maxOpen        *prometheus.Desc
	cacheHits, cacheMisses                          *prometheus.Desc
	signingKey, signingKeyCreated, signingKeys      *prometheus.Desc
	databases, accessTokens                         *prometheus.Desc
	connections, maxConnections, accepted, rejected *prometheus.Desc
	stalled, certificate                            *prometheus.Desc
}

// AddSources has each scrape ask the sources. It is to be called once.
func (m *Metrics) AddSources(sources Sources) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	var byDatabase []string
	if m.slots != nil {
		byDatabase = []string{"database"}
	}
	var databasesOpen *patientSource
	if sources.Databases != nil {
		databasesOpen = &patientSource{ask: sources.Databases}
	}
	m.registry.MustRegister(&sourceCollector{
		sources: sources, slots: m.slots, databasesOpen: databasesOpen,

		walBytes: desc("wal_bytes", "Size of the WALs beside the files of the open databases.", byDatabase...),
		fileBytes: desc("database_file_bytes",
			"Size of the files of the open databases, without their WALs.", byDatabase...),
		keys: desc("database_keys",
			"Keys in the open databases when they were counted last, which may be a while ago; expired ones may be among them.",
			byDatabase...),
		writable: desc("database_writable",
			"1 if writes can be made, 0 if they fail because of the disk, or if it does not answer; of several databases, 1 if it is so for all.",
			byDatabase...),

		open:    desc("databases_open", "Databases that are open."),
		opening: desc("databases_opening", "Databases that are being opened."),
		closing: desc("databases_closing", "Databases that are being closed."),
		waiting: desc("databases_waiting", "Databases that are to be opened, and wait for others to be closed."),
		maxOpen: desc("databases_max_open", "How many databases may be open at once."),

		cacheHits:   desc("token_cache_hits_total", "Data path tokens that were found among those verified before."),
		cacheMisses: desc("token_cache_misses_total", "Data path tokens whose signature had to be verified."),
		signingKey:  desc("signing_key_info", "Always 1; its label is the id of the key that signs data path tokens.", "key_id"),
		signingKeyCreated: desc("signing_key_created_timestamp_seconds",
			"When the key was made that signs data path tokens, in seconds since the Unix epoch."),
		signingKeys: desc("signing_keys", "Keys whose data path tokens are accepted."),

		databases:    desc("databases", "Databases in the data folder, open or not."),
		accessTokens: desc("access_tokens", "Access tokens of the data folder that are valid: not revoked, and not expired."),

		connections:    desc("connections_open", "Connections of clients that are open."),
		maxConnections: desc("connections_max", "How many connections may be open at once."),
		accepted:       desc("connections_accepted_total", "Connections of clients that were accepted."),
		rejected:       desc("connections_refused_total", "Connections of clients that were closed at once, because there were too many."),
		stalled: desc("stalled_replies_total",
			"Replies, those to watches included, that were cut off because their clients did not take them."),
		certificate: desc("tls_certificate_expiry_timestamp_seconds",
			"When the certificate that clients are shown expires, in seconds since the Unix epoch; of several, the first."),
	})
}

// Describe implements prometheus.Collector.
func (c *sourceCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		c.walBytes, c.fileBytes, c.keys, c.writable,
		c.open, c.opening, c.closing, c.waiting, c.maxOpen,
		c.cacheHits, c.cacheMisses, c.signingKey, c.signingKeyCreated, c.signingKeys,
		c.databases, c.accessTokens,
		c.connections, c.maxConnections, c.accepted, c.rejected, c.stalled, c.certificate,
	} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *sourceCollector) Collect(collected chan<- prometheus.Metric) {
	out := emitter(collected)
	if exists := c.sources.Exists; exists != nil && c.slots != nil {
		c.slots.retain(exists)
	}
	if c.databasesOpen != nil {
		c.collectDatabases(out, c.databasesOpen.databases())
	}
	if ask := c.sources.Pool; ask != nil {
		pool := ask()
		out.gauge(c.open, pool.Open)
		out.gauge(c.opening, pool.Opening)
		out.gauge(c.closing, pool.Closing)
		out.gauge(c.waiting, pool.Waiting)
		out.gauge(c.maxOpen, pool.MaxOpen)
	}
	if ask := c.sources.Tokens; ask != nil {
		tokens := ask()
		out.counter(c.cacheHits, tokens.CacheHits)
		out.counter(c.cacheMisses, tokens.CacheMisses)
		out.gauge(c.signingKey, 1, tokens.SigningKeyID)
		out.gauge(c.signingKeys, tokens.Keys)
		if at := tokens.SigningKeyCreatedAt; !at.IsZero() {
			out.gauge(c.signingKeyCreated, int(at.Unix()))
		}
	}
	if ask := c.sources.Folder; ask != nil {
		folder := ask()
		out.gauge(c.databases, folder.Databases)
		out.gauge(c.accessTokens, folder.AccessTokens)
	}
	if ask := c.sources.Connections; ask != nil {
		connections := ask()
		out.gauge(c.connections, connections.Open)
		if connections.Max > 0 {
			out.gauge(c.maxConnections, connections.Max)
		}
		out.counter(c.accepted, connections.Accepted)
		out.counter(c.rejected, connections.Refused)
		out.counter(c.stalled, connections.Stalled)
	}
	if ask := c.sources.Certificate; ask != nil {
		if notAfter, known := ask(); known {
			out.gauge(c.certificate, int(notAfter.Unix()))
		}
	}
}

// databaseSums is what is told of the databases that share a label.
type databaseSums struct {
	walBytes, fileBytes, keys int64
	counted                   bool // the keys of one at least
	expectsWrites             bool // one at least was not opened for reading only
	unwritable                bool // one at least
}

func (c *sourceCollector) collectDatabases(out emitter, databases []Database) {
	byLabel := make(map[string]*databaseSums)
	if c.slots == nil {
		byLabel[""] = new(databaseSums) // nothing is open: 0 is what there is to tell
	}
	for _, database := range databases {
		label := c.label(database.ID)
		sums := byLabel[label]
		if sums == nil {
			sums = new(databaseSums)
			byLabel[label] = sums
		}
		sums.add(database)
	}
	for label, sums := range byLabel {
		var labels []string
		if c.slots != nil {
			labels = []string{label}
		}
		out.gauge(c.walBytes, int(sums.walBytes), labels...)
		out.gauge(c.fileBytes, int(sums.fileBytes), labels...)
		if sums.counted {
			out.gauge(c.keys, int(sums.keys), labels...)
		}
		if sums.expectsWrites {
			writable := 1
			if sums.unwritable {
				writable = 0
			}
			out.gauge(c.writable, writable, labels...)
		}
	}
}

// label is what the series of a database are told apart by; "" if they are not.
func (c *sourceCollector) label(id uuid.UUID) string {
	if c.slots == nil {
		return ""
	}
	return c.slots.of(id).label
}

func (s *databaseSums) add(database Database) {
	s.walBytes += database.WALBytes
	s.fileBytes += database.FileBytes
	if database.Keys >= 0 {
		s.keys += database.Keys
		s.counted = true
	}
	if !database.ReadOnly {
		s.expectsWrites = true
		s.unwritable = s.unwritable || database.Unwritable
	}
}

// emitter is where metrics go that were read off somewhere.
type emitter chan<- prometheus.Metric

func (e emitter) gauge(desc *prometheus.Desc, value int, labels ...string) {
	e <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
}

func (e emitter) counter(desc *prometheus.Desc, value uint64) {
	e <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value))
}
