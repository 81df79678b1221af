package service

import (
	"context"

	"github.com/kvconnect/kvconnect/auth"
)

// IdentityOptions name the user's own provider of access tokens; there is none if JWKS is
// empty.
type IdentityOptions struct {
	// JWKS is the file or the URL of its keys.
	JWKS string
	// Issuer and Audience are what its tokens must name.
	Issuer, Audience string
	// DatabaseClaim and ScopeClaim are the claims that name the database and the scope.
	DatabaseClaim, ScopeClaim string
}

// identity is a provider, or none.
type identity struct{ provider *auth.Provider }

func openIdentity(ctx context.Context, options Options) (*identity, error) {
	o := options.Identity
	if o.JWKS == "" {
		return &identity{}, nil
	}
	provider, err := auth.OpenProvider(ctx, auth.ProviderOptions{
		JWKS: o.JWKS, Issuer: o.Issuer, Audience: o.Audience, DatabaseClaim: o.DatabaseClaim, ScopeClaim: o.ScopeClaim,
		Logger: options.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &identity{provider}, nil
}

// verifier gives nil if there is no provider.
func (i *identity) verifier() auth.IdentityVerifier {
	if i.provider == nil {
		return nil
	}
	return i.provider
}

func (i *identity) close() {
	if i.provider != nil {
		i.provider.Close()
	}
}
