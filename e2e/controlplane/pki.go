package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// lifetime of certificates; no lab lives that long.
const lifetime = 30 * 24 * time.Hour

// authority is the certificate authority of one cluster.
type authority struct {
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Identity is a key pair and the certificate that names its holder, both in PEM.
type Identity struct {
	Certificate []byte
	Key         []byte
}

// subject says whom a certificate is for.
type subject struct {
	user   string // the Kubernetes user name
	group  string // the Kubernetes group; "" for none
	dns    []string
	ips    []netip.Addr
	server bool // the holder serves TLS under dns and ips
}

// newAuthority makes an authority and writes its certificate to dir/ca.crt.
func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("controlplane: failed to make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "clarion-lab"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("controlplane: failed to make an authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("controlplane: failed to make an authority: %w", err)
	}
	a := &authority{dir: dir, certificate: certificate, key: key}
	return a, a.write("ca.crt", a.pem())
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// issue makes a key pair and certificate for the subject.
func (a *authority) issue(s subject) (Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Identity{}, fmt.Errorf("controlplane: failed to make a key for %s: %w", s.user, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Identity{}, fmt.Errorf("controlplane: failed to make a certificate for %s: %w", s.user, err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: s.user},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		DNSNames:     s.dns,
	}
	for _, addr := range s.ips {
		template.IPAddresses = append(template.IPAddresses, addr.AsSlice())
	}
	if s.group != "" {
		template.Subject.Organization = []string{s.group}
	}
	if s.server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return Identity{}, fmt.Errorf("controlplane: failed to make a certificate for %s: %w", s.user, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Identity{}, err
	}
	return Identity{Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: keyPEM}, nil
}

// issueFiles writes what issue makes to dir/NAME.crt and dir/NAME.key.
func (a *authority) issueFiles(name string, s subject) error {
	identity, err := a.issue(s)
	if err != nil {
		return err
	}
	if err := a.write(name+".crt", identity.Certificate); err != nil {
		return err
	}
	return a.write(name+".key", identity.Key)
}

// signingKey writes the key pair that signs ServiceAccount tokens to dir/NAME.key.
func (a *authority) signingKey(name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("controlplane: failed to make a signing key: %w", err)
	}
	encoded, err := encodeKey(key)
	if err != nil {
		return err
	}
	return a.write(name+".key", encoded)
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name string, data []byte) error {
	if err := os.WriteFile(a.path(name), data, 0o600); err != nil {
		return fmt.Errorf("controlplane: failed to write %s: %w", name, err)
	}
	return nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("controlplane: failed to encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}
