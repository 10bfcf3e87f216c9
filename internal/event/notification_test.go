package event

import "testing"

func TestNotificationMatches(t *testing.T) {
	e := ObjectEvent{Key: "in/a b.mp4", Name: ObjectCreatedPut}
	for _, c := range []struct {
		n    Notification
		want bool
	}{
		{Notification{Events: []string{"ObjectCreated:*"}}, true},
		{Notification{Events: []string{"ObjectCreated:Put"}}, true},
		{Notification{Events: []string{"ObjectCreated:Post", "ObjectRemoved:*"}}, false},
		{Notification{Events: []string{"ObjectCreated:*"}, Prefix: "in/", Suffix: ".mp4"}, true},
		{Notification{Events: []string{"ObjectCreated:*"}, Prefix: "In/"}, false},
		{Notification{Events: []string{"ObjectCreated:*"}, Suffix: ".MP4"}, false},
		{Notification{Events: []string{"ObjectCreated:*"}, Prefix: "in/a b.mp", Suffix: "mp4"}, true}, // each is matched on its own
		{Notification{EventBridge: true}, true},
		{Notification{}, false},
	} {
		if got := c.n.Matches(e); got != c.want {
			t.Errorf("%+v: %v, want %v", c.n, got, c.want)
		}
	}
}
