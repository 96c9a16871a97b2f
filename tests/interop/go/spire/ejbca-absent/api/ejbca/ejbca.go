// Package ejbca stands in for a client library that no module registry serves.
//
// SPIRE's server imports it for one upstream authority. Nothing here calls that
// authority, so each entry point answers with errAbsent; the types exist for the compiler.
package ejbca

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
)

var errAbsent = errors.New("the EJBCA client is left out of this build")

// Authenticator is what an API client signs its requests with.
type Authenticator interface {
	GetHttpClient() (*http.Client, error)
}

// MTLSAuthenticatorBuilder collects a client certificate and its authorities.
type MTLSAuthenticatorBuilder struct{}

// NewMTLSAuthenticatorBuilder starts an empty builder.
func NewMTLSAuthenticatorBuilder() *MTLSAuthenticatorBuilder { return &MTLSAuthenticatorBuilder{} }

// WithClientCertificate ignores the certificate.
func (b *MTLSAuthenticatorBuilder) WithClientCertificate(*tls.Certificate) *MTLSAuthenticatorBuilder {
	return b
}

// WithCaCertificates ignores the authorities.
func (b *MTLSAuthenticatorBuilder) WithCaCertificates([]*x509.Certificate) *MTLSAuthenticatorBuilder {
	return b
}

// Build fails.
func (b *MTLSAuthenticatorBuilder) Build() (Authenticator, error) { return nil, errAbsent }

// Configuration is where a client connects to.
type Configuration struct{ Host string }

// NewConfiguration is an empty configuration.
func NewConfiguration() *Configuration { return &Configuration{} }

// SetAuthenticator ignores the authenticator.
func (c *Configuration) SetAuthenticator(Authenticator) {}

// APIClient groups the calls.
type APIClient struct{ V1CertificateApi *V1CertificateApiService }

// NewAPIClient fails.
func NewAPIClient(*Configuration) (*APIClient, error) { return nil, errAbsent }

// V1CertificateApiService is the group of certificate calls.
type V1CertificateApiService struct{}

// EnrollPkcs10Certificate prepares a call that fails.
func (*V1CertificateApiService) EnrollPkcs10Certificate(context.Context) ApiEnrollPkcs10CertificateRequest {
	return ApiEnrollPkcs10CertificateRequest{}
}

// ApiEnrollPkcs10CertificateRequest is one enrolment call.
type ApiEnrollPkcs10CertificateRequest struct{}

// EnrollCertificateRestRequest ignores the body.
func (r ApiEnrollPkcs10CertificateRequest) EnrollCertificateRestRequest(EnrollCertificateRestRequest) ApiEnrollPkcs10CertificateRequest {
	return r
}

// Execute fails.
func (r ApiEnrollPkcs10CertificateRequest) Execute() (*CertificateRestResponse, *http.Response, error) {
	return nil, nil, errAbsent
}

// EnrollCertificateRestRequest is the body of an enrolment.
type EnrollCertificateRestRequest struct{}

// NewEnrollCertificateRestRequest is an empty body.
func NewEnrollCertificateRestRequest() *EnrollCertificateRestRequest {
	return &EnrollCertificateRestRequest{}
}

func (*EnrollCertificateRestRequest) SetUsername(string)                 {}
func (*EnrollCertificateRestRequest) SetPassword(string)                 {}
func (*EnrollCertificateRestRequest) SetCertificateRequest(string)       {}
func (*EnrollCertificateRestRequest) SetCertificateAuthorityName(string) {}
func (*EnrollCertificateRestRequest) SetCertificateProfileName(string)   {}
func (*EnrollCertificateRestRequest) SetEndEntityProfileName(string)     {}
func (*EnrollCertificateRestRequest) SetIncludeChain(bool)               {}
func (*EnrollCertificateRestRequest) SetAccountBindingId(string)         {}

// CertificateRestResponse is the answer to an enrolment.
type CertificateRestResponse struct{ CertificateChain []string }

// GetResponseFormat is empty.
func (*CertificateRestResponse) GetResponseFormat() string { return "" }

// GetCertificate is empty.
func (*CertificateRestResponse) GetCertificate() string { return "" }

// GenericOpenAPIError is the error of a refused call.
type GenericOpenAPIError struct{}

// Error names the reason.
func (*GenericOpenAPIError) Error() string { return errAbsent.Error() }

// Body is empty.
func (*GenericOpenAPIError) Body() []byte { return nil }
