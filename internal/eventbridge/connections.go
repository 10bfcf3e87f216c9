package eventbridge

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"vodwright.dev/vodwright/internal/awsapi/apiserver"
	wire "vodwright.dev/vodwright/internal/awsapi/events"
	"vodwright.dev/vodwright/internal/event"
	"vodwright.dev/vodwright/internal/fault"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func (s *server) connectionARN(c event.Connection) *string {
	return new(s.arn("connection/" + c.Name + "/" + c.ID))
}

func connectionState(c event.Connection) wire.ConnectionState {
	if c.Deauthorized {
		return wire.ConnectionStateDeauthorized
	}
	return wire.ConnectionStateAuthorized
}

// parameters reads what a connection adds to every request. have are those it
// has: a secret that comes without its value keeps it.
func parameters(w *wire.ConnectionHttpParameters, c *event.Connection) error {
	if w == nil {
		return nil
	}
	c.Header, c.Query, c.Body = nil, nil, nil
	for _, p := range w.HeaderParameters {
		if p == nil {
			continue
		}
		c.Header = append(c.Header, event.Parameter{Key: value(p.Key), Value: value(p.Value), Secret: value(p.IsValueSecret)})
	}
	for _, p := range w.QueryStringParameters {
		if p == nil {
			continue
		}
		c.Query = append(c.Query, event.Parameter{Key: value(p.Key), Value: value(p.Value), Secret: value(p.IsValueSecret)})
	}
	for _, p := range w.BodyParameters {
		if p == nil {
			continue
		}
		c.Body = append(c.Body, event.Parameter{Key: value(p.Key), Value: value(p.Value), Secret: value(p.IsValueSecret)})
	}
	for _, p := range slices.Concat(c.Header, c.Query, c.Body) {
		if p.Key == "" {
			return invalid("Parameters of InvocationHttpParameters need a Key.")
		}
	}
	return nil
}

func refuseOAuth(t wire.ConnectionAuthorizationType) error {
	if t == wire.ConnectionAuthorizationTypeOauth_Client_Credentials {
		return invalid("AuthorizationType %s is not supported by Vodwright: use API_KEY or BASIC.", t)
	}
	return nil
}

func (s *server) createConnection(ctx context.Context, _ *apiserver.Call, in *wire.CreateConnectionInput) (*wire.CreateConnectionOutput, error) {
	if err := refuseOAuth(in.AuthorizationType); err != nil {
		return nil, err
	}
	if in.InvocationConnectivityParameters != nil || in.AuthParameters.ConnectivityParameters != nil {
		return nil, invalid("Private connectivity of connections is not supported by Vodwright.")
	}
	now := s.now()
	c := event.Connection{
		Name: *in.Name, ID: event.NewID(), Description: value(in.Description), Auth: string(in.AuthorizationType),
		Created: now, Updated: now, Authorized: now,
	}
	switch a := in.AuthParameters; {
	case in.AuthorizationType == wire.ConnectionAuthorizationTypeApi_Key && a.ApiKeyAuthParameters != nil:
		c.KeyName, c.Key = *a.ApiKeyAuthParameters.ApiKeyName, *a.ApiKeyAuthParameters.ApiKeyValue
	case in.AuthorizationType == wire.ConnectionAuthorizationTypeBasic && a.BasicAuthParameters != nil:
		c.User, c.Password = *a.BasicAuthParameters.Username, *a.BasicAuthParameters.Password
	default:
		return nil, invalid("AuthParameters has no parameters of the AuthorizationType %s.", in.AuthorizationType)
	}
	if err := parameters(in.AuthParameters.InvocationHttpParameters, &c); err != nil {
		return nil, err
	}
	if err := s.records.CreateConnection(ctx, c); err != nil {
		return nil, err
	}
	return &wire.CreateConnectionOutput{
		ConnectionArn: s.connectionARN(c), ConnectionState: connectionState(c), CreationTime: stamp(c.Created), LastModifiedTime: stamp(c.Updated),
	}, nil
}

func (s *server) describeConnection(ctx context.Context, _ *apiserver.Call, in *wire.DescribeConnectionInput) (*wire.DescribeConnectionOutput, error) {
	c, err := s.records.Connection(ctx, *in.Name)
	if err != nil {
		return nil, err
	}
	auth := &wire.ConnectionAuthResponseParameters{}
	if c.Auth == string(wire.ConnectionAuthorizationTypeBasic) {
		auth.BasicAuthParameters = &wire.ConnectionBasicAuthResponseParameters{Username: &c.User}
	} else {
		auth.ApiKeyAuthParameters = &wire.ConnectionApiKeyAuthResponseParameters{ApiKeyName: &c.KeyName}
	}
	if len(c.Header)+len(c.Query)+len(c.Body) > 0 {
		h := &wire.ConnectionHttpParameters{}
		for _, p := range c.Header {
			h.HeaderParameters = append(h.HeaderParameters, &wire.ConnectionHeaderParameter{Key: &p.Key, Value: shown(p), IsValueSecret: &p.Secret})
		}
		for _, p := range c.Query {
			h.QueryStringParameters = append(h.QueryStringParameters, &wire.ConnectionQueryStringParameter{Key: &p.Key, Value: shown(p), IsValueSecret: &p.Secret})
		}
		for _, p := range c.Body {
			h.BodyParameters = append(h.BodyParameters, &wire.ConnectionBodyParameter{Key: &p.Key, Value: shown(p), IsValueSecret: &p.Secret})
		}
		auth.InvocationHttpParameters = h
	}
	return &wire.DescribeConnectionOutput{
		Name: &c.Name, ConnectionArn: s.connectionARN(c), Description: optional(c.Description), ConnectionState: connectionState(c),
		AuthorizationType: wire.ConnectionAuthorizationType(c.Auth), AuthParameters: auth,
		SecretArn:    new("arn:aws:secretsmanager:" + s.cfg.Region + ":" + s.cfg.Account + ":secret:events!connection/" + c.Name + "/" + c.ID),
		CreationTime: stamp(c.Created), LastModifiedTime: stamp(c.Updated), LastAuthorizedTime: stamp(c.Authorized),
	}, nil
}

// shown is a parameter's value as Describe answers it.
func shown(p event.Parameter) *string {
	if p.Secret {
		return nil
	}
	return &p.Value
}

func (s *server) listConnections(ctx context.Context, _ *apiserver.Call, in *wire.ListConnectionsInput) (*wire.ListConnectionsOutput, error) {
	list, err := s.records.Connections(ctx)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(c event.Connection) bool {
		return !strings.HasPrefix(c.Name, value(in.NamePrefix)) || in.ConnectionState != "" && connectionState(c) != in.ConnectionState
	})
	out := &wire.ListConnectionsOutput{Connections: []*wire.Connection{}}
	list, out.NextToken = page(list, func(c event.Connection) string { return c.Name }, in.NextToken, in.Limit)
	for _, c := range list {
		out.Connections = append(out.Connections, &wire.Connection{
			Name: &c.Name, ConnectionArn: s.connectionARN(c), ConnectionState: connectionState(c), AuthorizationType: wire.ConnectionAuthorizationType(c.Auth),
			CreationTime: stamp(c.Created), LastModifiedTime: stamp(c.Updated), LastAuthorizedTime: stamp(c.Authorized),
		})
	}
	return out, nil
}

func (s *server) updateConnection(ctx context.Context, _ *apiserver.Call, in *wire.UpdateConnectionInput) (*wire.UpdateConnectionOutput, error) {
	if err := refuseOAuth(in.AuthorizationType); err != nil {
		return nil, err
	}
	c, err := s.records.ChangeConnection(ctx, *in.Name, func(c *event.Connection) error {
		if in.Description != nil {
			c.Description = *in.Description
		}
		if in.AuthorizationType != "" && string(in.AuthorizationType) != c.Auth {
			c.Auth, c.KeyName, c.Key, c.User, c.Password = string(in.AuthorizationType), "", "", "", ""
		}
		if a := in.AuthParameters; a != nil {
			if k := a.ApiKeyAuthParameters; k != nil {
				set(&c.KeyName, k.ApiKeyName)
				set(&c.Key, k.ApiKeyValue)
			}
			if b := a.BasicAuthParameters; b != nil {
				set(&c.User, b.Username)
				set(&c.Password, b.Password)
			}
			if err := parameters(a.InvocationHttpParameters, c); err != nil {
				return err
			}
		}
		if c.Auth == string(wire.ConnectionAuthorizationTypeApi_Key) && (c.KeyName == "" || c.Key == "") ||
			c.Auth == string(wire.ConnectionAuthorizationTypeBasic) && c.User == "" {
			return invalid("AuthParameters has no parameters of the AuthorizationType %s.", c.Auth)
		}
		c.Updated = s.now()
		c.Deauthorized, c.Authorized = false, c.Updated
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &wire.UpdateConnectionOutput{
		ConnectionArn: s.connectionARN(c), ConnectionState: connectionState(c), CreationTime: stamp(c.Created),
		LastModifiedTime: stamp(c.Updated), LastAuthorizedTime: stamp(c.Authorized),
	}, nil
}

func set(have *string, given *string) {
	if given != nil {
		*have = *given
	}
}

func (s *server) deauthorizeConnection(ctx context.Context, _ *apiserver.Call, in *wire.DeauthorizeConnectionInput) (*wire.DeauthorizeConnectionOutput, error) {
	c, err := s.records.ChangeConnection(ctx, *in.Name, func(c *event.Connection) error {
		c.Key, c.Password, c.Deauthorized, c.Updated = "", "", true, s.now()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &wire.DeauthorizeConnectionOutput{
		ConnectionArn: s.connectionARN(c), ConnectionState: connectionState(c), CreationTime: stamp(c.Created),
		LastModifiedTime: stamp(c.Updated), LastAuthorizedTime: stamp(c.Authorized),
	}, nil
}

func (s *server) deleteConnection(ctx context.Context, _ *apiserver.Call, in *wire.DeleteConnectionInput) (*wire.DeleteConnectionOutput, error) {
	c, err := s.records.DeleteConnection(ctx, *in.Name)
	if err != nil {
		return nil, err
	}
	return &wire.DeleteConnectionOutput{
		ConnectionArn: s.connectionARN(c), ConnectionState: wire.ConnectionStateDeleting, CreationTime: stamp(c.Created),
		LastModifiedTime: stamp(c.Updated), LastAuthorizedTime: stamp(c.Authorized),
	}, nil
}

func (s *server) destinationARN(d event.Destination) *string {
	return new(s.arn("api-destination/" + d.Name + "/" + d.ID))
}

// destinationByARN finds the API destination of a target.
func (s *server) destinationByARN(ctx context.Context, arn string) (event.Destination, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(arn, s.arn("api-destination/")), "/")
	d, err := s.records.Destination(ctx, name)
	if err == nil && *s.destinationARN(d) != arn || fault.Is(err, fault.NotFound) {
		return d, invalid("Provided Arn %s is of no API destination.", arn)
	}
	return d, err
}

// connectionByARN finds the connection of an API destination.
func (s *server) connectionByARN(ctx context.Context, arn string) (event.Connection, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(arn, s.arn("connection/")), "/")
	c, err := s.records.Connection(ctx, name)
	if err == nil && *s.connectionARN(c) != arn || fault.Is(err, fault.NotFound) {
		return c, fault.New(fault.NotFound, codeNotFound, "Connection '%s' does not exist.", arn)
	}
	return c, err
}

func (s *server) checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return invalid("Parameter InvocationEndpoint is not valid. Reason: it is not an http or https URL.")
	}
	if u.User != nil {
		return invalid("Parameter InvocationEndpoint is not valid. Reason: credentials belong into a connection.")
	}
	if s.cfg.CheckEndpoint != nil {
		return s.cfg.CheckEndpoint(endpoint)
	}
	return nil
}

func (s *server) createDestination(ctx context.Context, _ *apiserver.Call, in *wire.CreateApiDestinationInput) (*wire.CreateApiDestinationOutput, error) {
	if err := s.checkEndpoint(*in.InvocationEndpoint); err != nil {
		return nil, err
	}
	c, err := s.connectionByARN(ctx, *in.ConnectionArn)
	if err != nil {
		return nil, err
	}
	now := s.now()
	d := event.Destination{
		Name: *in.Name, ID: event.NewID(), Description: value(in.Description), Connection: c.Name, Endpoint: *in.InvocationEndpoint,
		Method: string(in.HttpMethod), Rate: int(value(in.InvocationRateLimitPerSecond)), Created: now, Updated: now,
	}
	if err := s.records.CreateDestination(ctx, d); err != nil {
		return nil, err
	}
	return &wire.CreateApiDestinationOutput{
		ApiDestinationArn: s.destinationARN(d), ApiDestinationState: destinationState(c, nil), CreationTime: stamp(now), LastModifiedTime: stamp(now),
	}, nil
}

func destinationState(c event.Connection, err error) wire.ApiDestinationState {
	if err != nil || c.Deauthorized {
		return wire.ApiDestinationStateInactive
	}
	return wire.ApiDestinationStateActive
}

// rate is the invocation rate that is shown: the service's default when none was given.
func rate(d event.Destination) *int32 {
	if d.Rate == 0 {
		return new(int32(event.DefaultRate))
	}
	return new(int32(d.Rate))
}

func (s *server) describeDestination(ctx context.Context, _ *apiserver.Call, in *wire.DescribeApiDestinationInput) (*wire.DescribeApiDestinationOutput, error) {
	d, err := s.records.Destination(ctx, *in.Name)
	if err != nil {
		return nil, err
	}
	c, err := s.records.Connection(ctx, d.Connection)
	return &wire.DescribeApiDestinationOutput{
		Name: &d.Name, ApiDestinationArn: s.destinationARN(d), ApiDestinationState: destinationState(c, err), ConnectionArn: s.connectionARN(c),
		Description: optional(d.Description), InvocationEndpoint: &d.Endpoint, HttpMethod: wire.ApiDestinationHttpMethod(d.Method),
		InvocationRateLimitPerSecond: rate(d), CreationTime: stamp(d.Created), LastModifiedTime: stamp(d.Updated),
	}, nil
}

func (s *server) listDestinations(ctx context.Context, _ *apiserver.Call, in *wire.ListApiDestinationsInput) (*wire.ListApiDestinationsOutput, error) {
	list, err := s.records.Destinations(ctx)
	if err != nil {
		return nil, err
	}
	connections, err := s.records.Connections(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]event.Connection{}
	for _, c := range connections {
		byName[c.Name] = c
	}
	list = slices.DeleteFunc(list, func(d event.Destination) bool {
		return !strings.HasPrefix(d.Name, value(in.NamePrefix)) || in.ConnectionArn != nil && *s.connectionARN(byName[d.Connection]) != *in.ConnectionArn
	})
	out := &wire.ListApiDestinationsOutput{ApiDestinations: []*wire.ApiDestination{}}
	list, out.NextToken = page(list, func(d event.Destination) string { return d.Name }, in.NextToken, in.Limit)
	for _, d := range list {
		c := byName[d.Connection]
		state := destinationState(c, nil)
		if c.Name == "" {
			state = wire.ApiDestinationStateInactive
		}
		out.ApiDestinations = append(out.ApiDestinations, &wire.ApiDestination{
			Name: &d.Name, ApiDestinationArn: s.destinationARN(d), ApiDestinationState: state, ConnectionArn: s.connectionARN(c),
			InvocationEndpoint: &d.Endpoint, HttpMethod: wire.ApiDestinationHttpMethod(d.Method), InvocationRateLimitPerSecond: rate(d),
			CreationTime: stamp(d.Created), LastModifiedTime: stamp(d.Updated),
		})
	}
	return out, nil
}

func (s *server) updateDestination(ctx context.Context, _ *apiserver.Call, in *wire.UpdateApiDestinationInput) (*wire.UpdateApiDestinationOutput, error) {
	if in.InvocationEndpoint != nil {
		if err := s.checkEndpoint(*in.InvocationEndpoint); err != nil {
			return nil, err
		}
	}
	connection := ""
	if in.ConnectionArn != nil {
		c, err := s.connectionByARN(ctx, *in.ConnectionArn)
		if err != nil {
			return nil, err
		}
		connection = c.Name
	}
	d, err := s.records.ChangeDestination(ctx, *in.Name, func(d *event.Destination) error {
		set(&d.Description, in.Description)
		set(&d.Endpoint, in.InvocationEndpoint)
		if connection != "" {
			d.Connection = connection
		}
		if in.HttpMethod != "" {
			d.Method = string(in.HttpMethod)
		}
		if in.InvocationRateLimitPerSecond != nil {
			d.Rate = int(*in.InvocationRateLimitPerSecond)
		}
		d.Updated = s.now()
		return nil
	})
	if err != nil {
		return nil, err
	}
	c, err := s.records.Connection(ctx, d.Connection)
	return &wire.UpdateApiDestinationOutput{
		ApiDestinationArn: s.destinationARN(d), ApiDestinationState: destinationState(c, err), CreationTime: stamp(d.Created), LastModifiedTime: stamp(d.Updated),
	}, nil
}

func (s *server) deleteDestination(ctx context.Context, _ *apiserver.Call, in *wire.DeleteApiDestinationInput) (*wire.DeleteApiDestinationOutput, error) {
	return &wire.DeleteApiDestinationOutput{}, s.records.DeleteDestination(ctx, *in.Name)
}
