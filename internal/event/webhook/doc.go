// Package webhook calls API destinations: the payload of an event, a destination
// and its connection flow in, an HTTP request with the connection's
// authentication and a signature flows out, and what the receiver answered comes
// back as a status or a fault that says whether to try again.
//
// Every request is signed as Standard Webhooks has it (webhook-id,
// webhook-timestamp, webhook-signature "v1,…": HMAC-SHA256 of
// "id.timestamp.body"). The secret is the connection's API key value, or its
// password with BASIC: the base64 after "whsec_" when it begins so, else its
// bytes. An API key whose name is webhook-signature is the secret alone and never
// sent.
//
// Receivers are untrusted, and so is who named them: addresses are checked when
// the connection is made, redirects are not followed, answers are not read
// beyond what the connection's reuse needs. Secrets and queries are in no
// message.
package webhook
