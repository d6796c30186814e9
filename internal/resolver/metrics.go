package resolver

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
	"github.com/miekg/dns"
)

// kinds of questions: all that this package asks.
var questionTypes = [...]uint16{dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypePTR}

// queriesTotal counts questions that no cache answered, by what they came to.
var queriesTotal = func() map[uint16]*[Temporary + 1]*metrics.Counter {
	all := map[uint16]*[Temporary + 1]*metrics.Counter{}
	for _, t := range questionTypes {
		all[t] = new([Temporary + 1]*metrics.Counter)
		for kind := Found; kind <= Temporary; kind++ {
			all[t][kind] = metrics.NewCounter(fmt.Sprintf(`mtad_dns_queries_total{type=%q,result=%q}`, dns.TypeToString[t], kind))
		}
	}
	return all
}()

var (
	cacheHits     = metrics.NewCounter(`mtad_dns_cache_hits_total`)       // answered from memory
	coalesced     = metrics.NewCounter(`mtad_dns_coalesced_total`)        // joined a question that was on its way
	ignoredTotal  = metrics.NewCounter(`mtad_dns_messages_ignored_total`) // arrived and answered nothing we asked: strays or forgeries
	overTCP       = metrics.NewCounter(`mtad_dns_tcp_total`)              // questions asked again over TCP
	failedSilence = serverFailure("silence")                              // no answer in time, or no way to the server
	failedRcode   = serverFailure("rcode")                                // SERVFAIL, REFUSED and the like
	failedGarbage = serverFailure("garbage")                              // an answer to our question that makes no sense
)

// serverFailure counts exchanges with one server that gave no answer.
func serverFailure(reason string) *metrics.Counter {
	return metrics.NewCounter(fmt.Sprintf(`mtad_dns_server_failures_total{reason=%q}`, reason))
}
