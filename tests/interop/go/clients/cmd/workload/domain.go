package main

import (
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// trustDomain is the one of the source's own identity.
func trustDomain(source *workloadapi.X509Source) spiffeid.TrustDomain {
	svid, err := source.GetX509SVID()
	if err != nil {
		return spiffeid.TrustDomain{}
	}
	return svid.ID.TrustDomain()
}
