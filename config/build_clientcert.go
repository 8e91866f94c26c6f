// SPDX-License-Identifier: Apache-2.0

package config

import "slices"

// clientCert reads what a proxy tells of its clients' certificates.
func (v view) clientCert() ClientCert {
	const mode, details = "forward_client_cert_details", "set_current_client_cert_details"
	d := v.child(details)
	c := ClientCert{
		Forward: map[string]ForwardCert{
			"FORWARD_ONLY": ForwardOnly, "APPEND_FORWARD": ForwardAppend, "SANITIZE_SET": ForwardSet, "ALWAYS_FORWARD_ONLY": ForwardAlways,
		}[v.text(mode)],
		Subject: d.flag("subject"), Cert: d.flag("cert"), Chain: d.flag("chain"), DNS: d.flag("dns"), URI: d.flag("uri"),
	}
	if c.Forward == ForwardAlways {
		v.warnf(mode, "any client can say that it is another one")
	}
	if told := c.Forward == ForwardAppend || c.Forward == ForwardSet; !told && (c.Subject || c.Cert || c.Chain || c.DNS || c.URI) {
		v.warnf(details, "only APPEND_FORWARD and SANITIZE_SET of forward_client_cert_details tell anything")
	}
	return c
}

// checkClientCert finds what no client of the listener can be told of.
func (l *Listener) checkClientCert(chain view) {
	verified := slices.ContainsFunc(l.TLS, func(t TLS) bool { return t.VerifyClient })
	switch l.Proxy.ClientCert.Forward {
	case ForwardOnly, ForwardAppend, ForwardSet:
		if !verified {
			chain.warnf("filters", "x-forwarded-client-cert is always removed: without verify_client in a tls_context no client's certificate is verified")
		}
	}
}
