// Package events holds the generated shapes and the operation table of
// the EventBridge API, version 2015-10-07. It is data: internal/event
// gives it meaning.
package events
