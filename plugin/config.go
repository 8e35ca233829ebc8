package plugin

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redpanda-data/benthos/v4/public/service"

	"github.com/xconnect-dev/xconnect/internal/xapi"
)

// lintRule is the rule of one field, in Bloblang: what the field must be, and
// the condition that makes it wrong. Benthos prefixes a line and a column only,
// so the rule says the field's name. Each rule has its twin in Go, for a config
// that is run without being linted (--chilled).
func lintRule(name, wrong, must string) string {
	return fmt.Sprintf(`root = if %s { %q }`, wrong, name+" must "+must)
}

func lintDurationPositive(name string) string {
	return lintRule(name, `this.string().parse_duration().catch(0) <= 0`, "be a duration greater than zero, such as 10s")
}

func lintDurationNotNegative(name string) string {
	return lintRule(name, `this.string().parse_duration().catch(-1) < 0`, "be a duration that is not negative, such as 0s or 10m")
}

func lintIntPositive(name string) string {
	return lintRule(name, `this.number().catch(0) < 1`, "be a whole number greater than zero")
}

// lintOption takes the place of Benthos' own rule for an enum, which does not
// name the field.
func lintOption[T any](name string, options map[string]T) string {
	names := slices.Sorted(maps.Keys(options))
	return fmt.Sprintf(`root = if !%s.contains(this) { "%s: unknown value %%v, must be one of %s".format(this) }`,
		literal(names), name, strings.Join(names, ", "))
}

const lintBaseURL = `root = if !this.re_match("^https://[^/]") && !this.re_match("^http://(localhost|127\\.[0-9.]+|\\[::1\\])(:[0-9]+)?(/|$)") {
  "base_url must begin with https:// (http:// is for this machine only, or the token would travel in the clear)"
}`

// lintInput checks what depends on more than one field. It must be one rule: a
// spec keeps the last that it is given.
func lintInput() string {
	fields, refused, heartbeats := map[string][]string{}, map[string]string{}, map[string]time.Duration{}
	for _, s := range xapi.Streams() {
		fields[s.Name] = s.Fields
		heartbeats[s.Name] = s.Heartbeat
		if why := unsupported(s); why != "" {
			refused[s.Name] = why
		}
	}
	return fmt.Sprintf(`
let stream = this.stream.or("filtered")

let key = this.exists("api_key") || this.exists("api_secret")
let ways = [this.exists("bearer_token"), this.exists("bearer_token_file"), $key].filter(set -> set).length()
let credentials = if $ways != 1 {
  ["set exactly one of bearer_token, bearer_token_file, or api_key with api_secret"]
} else if $key && !(this.exists("api_key") && this.exists("api_secret")) {
  ["api_key and api_secret belong together: set both"]
} else { [] }

let fields = %s.get($stream).or([])
let parameters = this.parameters.or({}).keys().filter(name -> !$fields.contains(name)).map_each(name -> "parameters: %%s cannot be set: xconnect sets it itself, or the stream does not take it; possible are: %%s".format(name, $fields.join(", ")))

let why = %s.get($stream)
let unsupported = if $why != null { ["stream: %%s %%s".format($stream, $why)] } else { [] }

%s

let timeout = this.heartbeat_timeout.or("1h").string().parse_duration().catch(0)
let watchdog = if $timeout > 0 && $timeout <= %s.get($stream).or(0) {
  ["heartbeat_timeout must be longer than the time between two of X's heartbeats, or a quiet connection would never last"]
} else { [] }

root = $credentials.concat($parameters, $unsupported, $connections, $watchdog)`, literal(fields), literal(refused), lintConnections(), literal(heartbeats))
}

// literal writes v as a Bloblang literal, of which JSON is a part.
func literal(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of strings always marshal
	}
	return string(b)
}

func streamOptions() map[string]string {
	options := map[string]string{}
	for _, s := range xapi.Streams() {
		options[s.Name] = s.Title
		if why := unsupported(s); why != "" {
			options[s.Name] += ": not yet, " + why
		}
	}
	return options
}

func durationField(name, value, description string) *service.ConfigField {
	return service.NewDurationField(name).Description(description).Default(value).LintRule(lintDurationPositive(name))
}

func optionalDurationField(name, description string) *service.ConfigField {
	return service.NewDurationField(name).Description(description).Optional().LintRule(lintDurationPositive(name))
}

func positiveIntField(name string, value int, description string) *service.ConfigField {
	return service.NewIntField(name).Description(description).Default(value).LintRule(lintIntPositive(name))
}

// parser reads fields one after the other and keeps the first error.
type parser struct {
	conf *service.ParsedConfig
	err  error
}

// path names a field inside an object.
func path(names ...string) []string { return names }

func field[T any](p *parser, name []string, get func(...string) (T, error)) (v T) {
	if p.err != nil || !p.conf.Contains(name...) {
		return v
	}
	v, err := get(name...)
	if err != nil {
		p.err = err
	}
	return v
}

func (p *parser) string(name ...string) string { return field(p, name, p.conf.FieldString) }

func (p *parser) bool(name ...string) bool { return field(p, name, p.conf.FieldBool) }

func (p *parser) stringMap(name ...string) map[string]string {
	return field(p, name, p.conf.FieldStringMap)
}

func (p *parser) int(name ...string) int {
	v := field(p, name, p.conf.FieldInt)
	if v < 1 {
		p.fail(name, "must be greater than zero, and is %d", v)
	}
	return v
}

func (p *parser) strings(name ...string) []string { return field(p, name, p.conf.FieldStringList) }

func (p *parser) intOrZero(name ...string) int {
	v := field(p, name, p.conf.FieldInt)
	if v < 0 {
		p.fail(name, "must not be negative, and is %d", v)
	}
	return v
}

// option reads a field that has one of some values.
func (p *parser) option(options map[string]string, name ...string) string {
	v := p.string(name...)
	if _, ok := options[v]; !ok {
		p.fail(name, "must be one of %s, and is %q", strings.Join(slices.Sorted(maps.Keys(options)), ", "), v)
	}
	return v
}

func (p *parser) ints(name ...string) []int { return field(p, name, p.conf.FieldIntList) }

// duration reads a duration that must be positive, or returns otherwise when
// the field is not set.
func (p *parser) duration(name []string, otherwise time.Duration) time.Duration {
	if !p.conf.Contains(name...) {
		return otherwise
	}
	d := field(p, name, p.conf.FieldDuration)
	if d <= 0 {
		p.fail(name, "must be greater than zero, and is %s", d)
	}
	return d
}

func (p *parser) durationOrZero(name ...string) time.Duration {
	d := field(p, name, p.conf.FieldDuration)
	if d < 0 {
		p.fail(name, "must not be negative, and is %s", d)
	}
	return d
}

func (p *parser) fail(name []string, format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%s: "+format, append([]any{dotted(name)}, args...)...)
	}
}

func dotted(name []string) string {
	s := name[0]
	for _, n := range name[1:] {
		s += "." + n
	}
	return s
}
