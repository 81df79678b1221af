package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxReplyBytes bounds what a server may answer: a list of a hundred thousand tokens fits.
const maxReplyBytes = 64 << 20

// Client asks a server for operations. It is safe for concurrent use.
type Client struct {
	url   string
	token string
	http  *http.Client
}

// NewClient gives a Client of the admin listener at that URL.
func NewClient(adminURL, token string) (*Client, error) {
	u, err := url.Parse(adminURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("the admin URL %q cannot be used: give an address such as http://127.0.0.1:4513", adminURL)
	}
	return &Client{url: strings.TrimRight(u.String(), "/") + pathPrefix, token: token, http: &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment},
		// The listener redirects nobody, and the token is for it alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close lets go of connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// CreateDatabase implements Operations.
func (c *Client) CreateDatabase(ctx context.Context, create CreateDatabase) (Database, error) {
	return ask[Database](ctx, c, http.MethodPost, "/databases", create)
}

// AdoptDatabase implements Operations.
func (c *Client) AdoptDatabase(ctx context.Context, adopt AdoptDatabase) (AdoptedDatabase, error) {
	return ask[AdoptedDatabase](ctx, c, http.MethodPost, "/databases/adopt", adopt)
}

// Databases implements Operations.
func (c *Client) Databases(ctx context.Context) ([]Database, error) {
	return ask[[]Database](ctx, c, http.MethodGet, "/databases", nil)
}

// ChangeDatabase implements Operations.
func (c *Client) ChangeDatabase(ctx context.Context, nameOrID string, change ChangeDatabase) (Database, error) {
	return ask[Database](ctx, c, http.MethodPatch, "/databases/"+segment(nameOrID), change)
}

// DeleteDatabase implements Operations.
func (c *Client) DeleteDatabase(ctx context.Context, nameOrID string) (DeletedDatabase, error) {
	return ask[DeletedDatabase](ctx, c, http.MethodDelete, "/databases/"+segment(nameOrID), nil)
}

// DatabaseStats implements Operations.
func (c *Client) DatabaseStats(ctx context.Context, nameOrID string) (DatabaseStats, error) {
	return ask[DatabaseStats](ctx, c, http.MethodGet, "/databases/"+segment(nameOrID)+"/stats", nil)
}

// CreateToken implements Operations.
func (c *Client) CreateToken(ctx context.Context, create CreateToken) (CreatedToken, error) {
	return ask[CreatedToken](ctx, c, http.MethodPost, "/tokens", create)
}

// Tokens implements Operations.
func (c *Client) Tokens(ctx context.Context, nameOrID string) ([]Token, error) {
	return ask[[]Token](ctx, c, http.MethodGet, "/tokens?database="+url.QueryEscape(nameOrID), nil)
}

// ChangeToken implements Operations.
func (c *Client) ChangeToken(ctx context.Context, id string, change ChangeToken) (Token, error) {
	return ask[Token](ctx, c, http.MethodPatch, "/tokens/"+segment(id), change)
}

// RevokeToken implements Operations.
func (c *Client) RevokeToken(ctx context.Context, id string) (Token, error) {
	return ask[Token](ctx, c, http.MethodDelete, "/tokens/"+segment(id), nil)
}

// Keys implements Operations.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	return ask[[]Key](ctx, c, http.MethodGet, "/keys", nil)
}

// RotateKeys implements Operations.
func (c *Client) RotateKeys(ctx context.Context, rotate RotateKeys) ([]Key, error) {
	return ask[[]Key](ctx, c, http.MethodPost, "/keys/rotate", rotate)
}

// PublicKeys implements Operations.
func (c *Client) PublicKeys(ctx context.Context) (json.RawMessage, error) {
	return ask[json.RawMessage](ctx, c, http.MethodGet, "/keys/public", nil)
}

// errNoName is returned for a name that cannot be a part of a path.
var errNoName = errors.New("the name or id is empty")

// segment gives a name as a part of a path. Dots too are escaped: ".." would lead elsewhere.
func segment(name string) string { return strings.ReplaceAll(url.PathEscape(name), ".", "%2E") }

// ask sends a request and decodes what is answered. A body of nil is none.
func ask[T any](ctx context.Context, c *Client, method, path string, body any) (result T, err error) {
	reply, status, err := c.exchange(ctx, method, path, body)
	if err != nil {
		return result, err
	}
	if status != http.StatusOK {
		var refusal errorReply
		if err := json.Unmarshal(reply, &refusal); err != nil || refusal.Error == "" {
			return result, fmt.Errorf("the answer of %s has status %d and is none of kvconnect's: check the address", c.url, status)
		}
		return result, errors.New(refusal.Error)
	}
	if err := json.Unmarshal(reply, &result); err != nil {
		return result, fmt.Errorf("decode the reply of the server: %w", err)
	}
	return result, nil
}

func (c *Client) exchange(ctx context.Context, method, path string, body any) (reply []byte, status int, err error) {
	if strings.HasSuffix(path, "/") || strings.Contains(path, "//") {
		return nil, 0, errNoName
	}
	content := []byte(nil)
	if body != nil {
		if content, err = json.Marshal(body); err != nil {
			return nil, 0, fmt.Errorf("encode the request: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(content))
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, 0, fmt.Errorf("reach the admin listener: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if reply, err = io.ReadAll(io.LimitReader(response.Body, maxReplyBytes)); err != nil {
		return nil, 0, fmt.Errorf("read the reply of the server: %w", err)
	}
	return reply, response.StatusCode, nil
}
