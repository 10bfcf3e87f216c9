package pattern

import (
	"strings"
	"testing"

	"vodwright.dev/vodwright/internal/fault"
)

// jobEvent is the state change of the service's user guide, abridged.
const jobEvent = `{"version":"0","id":"i","detail-type":"MediaConvert Job State Change","source":"aws.mediaconvert",
	"account":"111122223333","time":"2017-11-29T18:57:11Z","region":"us-west-2",
	"resources":["arn:aws:mediaconvert:us-west-2:111122223333:jobs/123456789012-smb6o7"],
	"detail":{"timestamp":1511981831811,"accountId":"111122223333","queue":"arn:aws:mediaconvert:us-west-2:111122223333:queues/Default",
	"jobId":"123456789012-smb6o7","status":"COMPLETE","userMetadata":{"assetID":"a"},
	"outputGroupDetails":[{"outputDetails":[{"durationInMs":30041,"videoDetails":{"heightInPx":1080}}],"type":"HLS_GROUP"},
	{"outputDetails":[{"durationInMs":30041,"videoDetails":{"heightInPx":720}}],"type":"FILE_GROUP"}]}}`

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, event string
		want           bool
	}{
		// What people write for jobs.
		{`{"source":["aws.mediaconvert"],"detail":{"status":["COMPLETE","ERROR"]}}`, jobEvent, true},
		{`{"source":["aws.mediaconvert"],"detail":{"status":["ERROR"]}}`, jobEvent, false},
		{`{"resources":[{"prefix":"arn:aws:mediaconvert:"}],"detail":{"userMetadata":{"assetID":[{"exists":true}]}}}`, jobEvent, true},
		{`{"detail":{"outputGroupDetails":{"type":["FILE_GROUP"],"outputDetails":{"videoDetails":{"heightInPx":[{"numeric":["<",1000]}]}}}}}`, jobEvent, true},
		{`{"detail":{"outputGroupDetails":{"type":["HLS_GROUP"],"outputDetails":{"videoDetails":{"heightInPx":[{"numeric":["<",1000]}]}}}}}`, jobEvent, false}, // of two elements

		// The user guide's table of comparison operators.
		{`{"a":["x"]}`, `{"a":"x","b":1}`, true},
		{`{"a":["X"]}`, `{"a":"x"}`, false},
		{`{"a":["x","y"]}`, `{"a":["z","y"]}`, true},
		{`{"a":["x"]}`, `{"a":["z",["x"]]}`, true},
		{`{"a":["x"]}`, `{"a":{"x":"x"}}`, false},
		{`{"a":[""]}`, `{"a":""}`, true},
		{`{"a":[null]}`, `{"a":null}`, true},
		{`{"a":[null]}`, `{}`, false},
		{`{"a":[null]}`, `{"a":""}`, false},
		{`{"a":[true]}`, `{"a":true}`, true},
		{`{"a":[true]}`, `{"a":"true"}`, false},
		{`{"a":[300]}`, `{"a":300}`, true},
		{`{"a":[300]}`, `{"a":300.0}`, false},
		{`{"a":[300]}`, `{"a":"300"}`, false},
		{`{"a":[{"prefix":"eu-"}]}`, `{"a":"eu-west"}`, true},
		{`{"a":[{"prefix":"eu-"}]}`, `{"a":7}`, false},
		{`{"a":[{"prefix":{"equals-ignore-case":"EventB"}}]}`, `{"a":"eventbridge"}`, true},
		{`{"a":[{"suffix":".png"}]}`, `{"a":"x.png"}`, true},
		{`{"a":[{"suffix":".png"}]}`, `{"a":"x.PNG"}`, false},
		{`{"a":[{"suffix":{"equals-ignore-case":".PNG"}}]}`, `{"a":"x.png"}`, true},
		{`{"a":[{"equals-ignore-case":"alice"}]}`, `{"a":"ALICE"}`, true},
		{`{"a":[{"wildcard":"dir/*.png"}]}`, `{"a":"dir/a/b.png"}`, true},
		{`{"a":[{"wildcard":"dir/*.png"}]}`, `{"a":"dir/.png"}`, true},
		{`{"a":[{"wildcard":"*a*b*"}]}`, `{"a":"b-a"}`, false},
		{`{"a":[{"wildcard":"a\\*b"}]}`, `{"a":"a*b"}`, true},
		{`{"a":[{"wildcard":"a\\*b"}]}`, `{"a":"axb"}`, false},
		{`{"a":[{"wildcard":"ab*ba"}]}`, `{"a":"aba"}`, false},
		{`{"a":[{"anything-but":"init"}]}`, `{"a":"x"}`, true},
		{`{"a":[{"anything-but":"init"}]}`, `{"a":"init"}`, false},
		{`{"a":[{"anything-but":"init"}]}`, `{}`, false},
		{`{"a":[{"anything-but":["a","b"]}]}`, `{"a":"c"}`, true},
		{`{"a":[{"anything-but":["a","b"]}]}`, `{"a":"b"}`, false},
		{`{"a":[{"anything-but":[1,2]}]}`, `{"a":2}`, false},
		{`{"a":[{"anything-but":{"prefix":"init"}}]}`, `{"a":"initial"}`, false},
		{`{"a":[{"anything-but":{"prefix":["init","err"]}}]}`, `{"a":"done"}`, true},
		{`{"a":[{"anything-but":{"suffix":".txt"}}]}`, `{"a":"a.mp4"}`, true},
		{`{"a":[{"anything-but":{"suffix":[".txt",".rtf"]}}]}`, `{"a":"a.rtf"}`, false},
		{`{"a":[{"anything-but":{"equals-ignore-case":["INIT"]}}]}`, `{"a":"init"}`, false},
		{`{"a":[{"anything-but":{"wildcard":"*/lib/*"}}]}`, `{"a":"x/lib/y"}`, false},
		{`{"a":[{"numeric":[">",0,"<=",5]}]}`, `{"a":5}`, true},
		{`{"a":[{"numeric":[">",0,"<=",5]}]}`, `{"a":0}`, false},
		{`{"a":[{"numeric":["=",300]}]}`, `{"a":3.0e2}`, true},
		{`{"a":[{"numeric":["<",-1.5]}]}`, `{"a":-2}`, true},
		{`{"a":[{"numeric":["<",5]}]}`, `{"a":"1"}`, false},
		{`{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"10.0.0.255"}`, true},
		{`{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"10.0.1.0"}`, false},
		{`{"a":[{"cidr":"2001:db8::/32"}]}`, `{"a":"2001:db8::1"}`, true},
		{`{"a":[{"exists":true}]}`, `{"a":null}`, true},
		{`{"a":[{"exists":true}]}`, `{"a":{"b":1}}`, false}, // of leaves alone
		{`{"a":{"b":[{"exists":false}]}}`, `{"a":{"c":1}}`, true},
		{`{"a":{"b":[{"exists":false}]}}`, `{}`, true},
		{`{"a":{"b":[{"exists":false}]}}`, `{"a":[{"b":1},{}]}`, false}, // it is there
		{`{"a":{"b":[{"exists":false},"x"]}}`, `{"a":{"b":"x"}}`, true},
		{`{"$or":[{"a":["x"]},{"b":["y"]}]}`, `{"b":"y"}`, true},
		{`{"$or":[{"a":["x"]},{"b":["y"]}]}`, `{"a":"y","b":"x"}`, false},
		{`{"c":[1],"d":{"$or":[{"a":["x"]},{"b":{"e":["y"]}}]}}`, `{"c":1,"d":{"b":{"e":"y"}}}`, true},
		{`{"a":["x"],"a":["y"]}`, `{"a":"y"}`, true}, // the last of equal names
		{`{"a":["ü\n"]}`, "{\"a\":\"\\u00fc\\n\"}", true},
	} {
		p, err := Parse(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		e, err := ParseEvent([]byte(c.event))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(e); got != c.want {
			t.Errorf("%s on %.300s: %v, want %v", c.pattern, c.event, got, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ pattern, says string }{
		{``, "not JSON"},
		{`[]`, "not an object"},
		{`{}`, "Empty objects"},
		{`{"a":{}}`, "Empty objects"},
		{`{"a":[]}`, "Empty arrays"},
		{`{"a":"x"}`, `"a" must be an object or an array`},
		{`{"detail":{"state":"x"}}`, "at detail"},
		{`{"a":[["x"]]}`, "Arrays within arrays"},
		{`{"a":[{"prefix":"x","suffix":"y"}]}`, "Only one key"},
		{`{"a":[{"regex":"x"}]}`, "Unrecognized match type regex"},
		{`{"a":[{"prefix":5}]}`, "must be a string"},
		{`{"a":[{"prefix":{"suffix":"x"}}]}`, "must be a string"},
		{`{"a":[{"exists":"yes"}]}`, "true or false"},
		{`{"a":[{"numeric":[">"]}]}`, "one or two comparisons"},
		{`{"a":[{"numeric":["!",5]}]}`, "Unrecognized numeric range operator"},
		{`{"a":[{"numeric":[">","5"]}]}`, "must be numeric"},
		{`{"a":[{"numeric":[">",5,"<",5]}]}`, "Bottom must be less"},
		{`{"a":[{"numeric":["<",5,">",1]}]}`, "Bad numeric range"},
		{`{"a":[{"numeric":["=",5e10]}]}`, "between -5.0E9"},
		{`{"a":[{"cidr":"10.0.0/24"}]}`, "Malformed CIDR"},
		{`{"a":[{"cidr":"10.0.0.0/33"}]}`, "Malformed CIDR"},
		{`{"a":[{"anything-but":[]}]}`, "Empty arrays"},
		{`{"a":[{"anything-but":["a",1]}]}`, "mixed type"},
		{`{"a":[{"anything-but":{"numeric":[">",1]}}]}`, "Unsupported anything-but"},
		{`{"a":[{"wildcard":"a**b"}]}`, "Consecutive wildcard"},
		{`{"a":[{"wildcard":"a\\b"}]}`, "Invalid escape"},
		{`{"$or":[{"a":["x"]}]}`, "at least two"},
		{`{"$or":["x","y"]}`, "at least two"},
		{`{"a":["x"]} {"b":["y"]}`, "more after"},
	} {
		_, err := Parse(c.pattern)
		if f := fault.Of(err); f == nil || f.Kind != fault.Invalid || f.Code != CodeInvalid || !strings.Contains(f.Message, c.says) {
			t.Errorf("%s: %v, want %q", c.pattern, err, c.says)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`{"a":[{"anything-but":{"wildcard":["*x"]}}],"$or":[{"b":["y"]},{"c":[{"numeric":[">",1]}]}]}`, `{"a":[["z"],{"b":1}],"c":2}`)
	f.Add(`{"a":{"b":[{"exists":false},{"cidr":"::/0"}]}}`, `{"a":[{},{"b":"::1"}]}`)
	f.Add(`{"a":[{"prefix":{"equals-ignore-case":"K"}}]}`, `{"a":"K"}`)
	f.Fuzz(func(t *testing.T, text, event string) {
		p, err := Parse(text)
		if err != nil {
			if fault.Of(err).Code != CodeInvalid {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		e, err := ParseEvent([]byte(event))
		if err != nil {
			return
		}
		if first := p.Match(e); p.Match(e) != first {
			t.Errorf("%q matches %q at times", text, event)
		}
	})
}
