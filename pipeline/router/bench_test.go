// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"testing"

	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/config"
)

// BenchmarkMatch finds the last of some routes, by the service of a Bolt request
// and by the path of an HTTP/2 request.
func BenchmarkMatch(b *testing.B) {
	for _, routes := range []int{1, 20} {
		services := config.VirtualHost{Name: "services", Domains: []string{"*"}}
		paths := config.VirtualHost{Name: "paths", Domains: []string{"*.example.com:*"}}
		for i := range routes {
			service := config.Match{Kind: config.MatchHeaders, Headers: []config.HeaderMatch{{Name: "service", Value: fmt.Sprintf("com.example.S%d:1.0", i)}}}
			services.Routes = append(services.Routes, config.Route{Match: service})
			paths.Routes = append(paths.Routes, config.Route{Match: config.Match{Kind: config.MatchPrefix, Prefix: fmt.Sprintf("/v1/%d/", i)}})
		}
		table, err := Compile(&config.Router{Name: "r", VirtualHosts: []config.VirtualHost{services, paths}})
		if err != nil {
			b.Fatal(err)
		}
		last := fmt.Sprintf("com.example.S%d:1.0", routes-1)
		m := bolt.AppendPair(nil, []byte("sofa_head_method_name"), []byte("echo"))
		m = bolt.AppendPair(m, []byte("service"), []byte(last))
		for name, r := range map[string]Request{
			"Bolt":  &bolt.Head{Map: bolt.HeaderMap(m)},
			"HTTP2": &http2.Head{MethodName: []byte("GET"), AuthorityName: []byte("a.Example.com:80"), PathName: []byte(fmt.Sprintf("/v1/%d/x?y=z", routes-1))},
		} {
			b.Run(fmt.Sprintf("%s/routes=%d", name, routes), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if table.Match(r) == nil {
						b.Fatal("no route")
					}
				}
			})
		}
	}
}
