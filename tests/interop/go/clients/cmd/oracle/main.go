// Command oracle judges what a SPIFFE server and agent made by Go's crypto/x509 alone.
//
//	oracle svid CHAIN.pem KEY.pem BUNDLE.pem ID   an X.509-SVID by the SPIFFE profile
//	oracle bundle BUNDLE.pem ID                   the authorities of a trust domain
//	oracle csr REQUEST.pem                        a certificate request
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	fmt.Println("in order")
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 5 && arguments[0] == "svid":
		return svid(arguments[1], arguments[2], arguments[3], arguments[4])
	case len(arguments) == 3 && arguments[0] == "bundle":
		return bundle(arguments[1], arguments[2])
	case len(arguments) == 2 && arguments[0] == "csr":
		return request(arguments[1])
	}
	return errors.New("usage: oracle svid|bundle|csr …")
}

func svid(chainPath, keyPath, bundlePath, id string) error {
	chain, err := certificates(chainPath)
	if err != nil {
		return err
	}
	authorities, err := certificates(bundlePath)
	if err != nil {
		return err
	}
	if err := leaf(chain[0], id); err != nil {
		return err
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, authority := range authorities {
		roots.AddCert(authority)
	}
	for _, certificate := range chain[1:] {
		intermediates.AddCert(certificate)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		options := x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{usage}}
		if _, err := chain[0].Verify(options); err != nil {
			return fmt.Errorf("usage %v: %w", usage, err)
		}
	}
	return keyOf(chain[0], keyPath)
}

// leaf holds a certificate against section 4 of the X.509-SVID document.
func leaf(certificate *x509.Certificate, id string) error {
	switch {
	case len(certificate.URIs) != 1 || certificate.URIs[0].String() != id:
		return fmt.Errorf("URIs %v, want %s alone", certificate.URIs, id)
	case certificate.IsCA:
		return errors.New("a leaf that is an authority")
	case certificate.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("no digitalSignature")
	case certificate.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0:
		return errors.New("a leaf that may sign certificates")
	case len(certificate.UnhandledCriticalExtensions) != 0:
		return fmt.Errorf("critical extensions %v", certificate.UnhandledCriticalExtensions)
	case certificate.SerialNumber.Sign() <= 0 || certificate.SerialNumber.BitLen() > 159:
		return fmt.Errorf("serial number %v", certificate.SerialNumber)
	case len(certificate.SubjectKeyId) == 0 || len(certificate.AuthorityKeyId) == 0:
		return errors.New("key identifiers are missing")
	}
	return nil
}

func keyOf(certificate *x509.Certificate, path string) error {
	block, err := blocks(path)
	if err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(block[0].Bytes)
	if err != nil {
		return err
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("a key of type %T", key)
	}
	if !private.PublicKey.Equal(certificate.PublicKey) {
		return errors.New("the key is not the certificate's")
	}
	return nil
}

func bundle(path, id string) error {
	authorities, err := certificates(path)
	if err != nil {
		return err
	}
	for _, authority := range authorities {
		switch {
		case !authority.IsCA || !authority.BasicConstraintsValid:
			return errors.New("not an authority")
		case authority.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign:
			return fmt.Errorf("key usage %b", authority.KeyUsage)
		case len(authority.URIs) != 1 || authority.URIs[0].String() != id:
			return fmt.Errorf("URIs %v, want %s alone", authority.URIs, id)
		case len(authority.ExtKeyUsage) != 0:
			return errors.New("an authority with extended usages")
		case !bytes.Equal(authority.RawIssuer, authority.RawSubject):
			return errors.New("not issued by itself")
		}
		if err := authority.CheckSignatureFrom(authority); err != nil {
			return err
		}
	}
	return nil
}

func request(path string) error {
	found, err := blocks(path)
	if err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(found[0].Bytes)
	if err != nil {
		return err
	}
	return csr.CheckSignature()
}

func certificates(path string) ([]*x509.Certificate, error) {
	found, err := blocks(path)
	if err != nil {
		return nil, err
	}
	var parsed []*x509.Certificate
	for _, block := range found {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		parsed = append(parsed, certificate)
	}
	return parsed, nil
}

// blocks is never empty.
func blocks(path string) ([]*pem.Block, error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []*pem.Block
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		found = append(found, block)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s holds no PEM block", path)
	}
	return found, nil
}
