// Package nsupdate is the DNS provider of the tests: Caddy's challenges become dynamic updates (RFC 2136) that are
// signed with a shared key (TSIG, RFC 8945), which bind9 takes. It knows TXT records and nothing else.
package nsupdate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

const (
	patience  = 5 * time.Second   // with the server, for one update
	clockSkew = 300 * time.Second // between the server and us
)

// Updater is configured as {"name": "nsupdate", …}. Its texts may have placeholders such as {env.KEY}.
type Updater struct {
	Server    string `json:"server"`    // host:port of the zone's primary
	KeyName   string `json:"key_name"`  // of the shared key
	Algorithm string `json:"algorithm"` // of the key; hmac-sha256 if not said
	Key       string `json:"key"`       // base64
}

var (
	_ caddy.Provisioner     = (*Updater)(nil)
	_ caddy.Validator       = (*Updater)(nil)
	_ libdns.RecordAppender = (*Updater)(nil)
	_ libdns.RecordDeleter  = (*Updater)(nil)
)

func init() { caddy.RegisterModule(new(Updater)) }

// CaddyModule says under which name configurations ask for it.
func (*Updater) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dns.providers.nsupdate", New: func() caddy.Module { return new(Updater) }}
}

// Provision puts values in the place of placeholders.
func (u *Updater) Provision(caddy.Context) error {
	replacer := caddy.NewReplacer()
	for _, text := range []*string{&u.Server, &u.KeyName, &u.Algorithm, &u.Key} {
		*text = replacer.ReplaceAll(*text, "")
	}
	if u.Algorithm == "" {
		u.Algorithm = "hmac-sha256"
	}
	u.KeyName, u.Algorithm = dns.CanonicalName(u.KeyName), dns.CanonicalName(u.Algorithm)
	return nil
}

// Validate refuses what could never update anything.
func (u *Updater) Validate() error {
	if u.Server == "" || u.KeyName == "." || u.Key == "" {
		return errors.New("nsupdate: server, key_name and key are needed")
	}
	return nil
}

// AppendRecords adds to what the names have already: the domain and its wildcard are asked for under one name.
func (u *Updater) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return u.update(ctx, zone, records, (*dns.Msg).Insert)
}

// DeleteRecords removes those values and leaves others of the same name.
func (u *Updater) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return u.update(ctx, zone, records, (*dns.Msg).Remove)
}

func (u *Updater) update(ctx context.Context, zone string, records []libdns.Record,
	put func(*dns.Msg, []dns.RR)) ([]libdns.Record, error) {
	texts, err := textRecords(zone, records)
	if err != nil {
		return nil, err
	}
	request := new(dns.Msg).SetUpdate(dns.Fqdn(zone))
	put(request, texts)
	request.SetTsig(u.KeyName, u.Algorithm, uint16(clockSkew.Seconds()), time.Now().Unix())
	client := dns.Client{Net: "tcp", Timeout: patience, TsigSecret: map[string]string{u.KeyName: u.Key}}
	answer, _, err := client.ExchangeContext(ctx, request, u.Server)
	// A refused key is answered unsigned: the answer says more than that it was not signed.
	if answer != nil && answer.Rcode != dns.RcodeSuccess {
		return nil, fmt.Errorf("%s refuses to update %s: %s", u.Server, zone, dns.RcodeToString[answer.Rcode])
	}
	if err != nil {
		return nil, fmt.Errorf("update %s at %s: %w", zone, u.Server, err)
	}
	return records, nil
}

func textRecords(zone string, records []libdns.Record) ([]dns.RR, error) {
	var texts []dns.RR
	for _, record := range records {
		plain := record.RR()
		if plain.Type != "TXT" {
			return nil, fmt.Errorf("nsupdate: %s of %s is not a TXT record", plain.Type, plain.Name)
		}
		texts = append(texts, &dns.TXT{
			Hdr: dns.RR_Header{Name: libdns.AbsoluteName(plain.Name, dns.Fqdn(zone)), Rrtype: dns.TypeTXT,
				Class: dns.ClassINET, Ttl: uint32(plain.TTL.Seconds())},
			Txt: []string{plain.Data},
		})
	}
	return texts, nil
}
