// Command entries lets spire-controller-manager's own reconciler say which entries objects ask for.
//
//	entries < cases.json > cases.json
//
// What it would create, and the objects' status afterwards, is written to each case's "expect".
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"sort"
	"text/template"
	"time"

	"github.com/go-logr/logr"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	spirev1alpha1 "github.com/spiffe/spire-controller-manager/api/v1alpha1"
	"github.com/spiffe/spire-controller-manager/pkg/reconciler"
	"github.com/spiffe/spire-controller-manager/pkg/spireapi"
	"github.com/spiffe/spire-controller-manager/pkg/spireentry"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

type config struct {
	TrustDomain      string   `json:"trustDomain"`
	ClusterName      string   `json:"clusterName"`
	ClusterDomain    string   `json:"clusterDomain,omitempty"`
	IgnoreNamespaces []string `json:"ignoreNamespaces,omitempty"`
	ClassName        string   `json:"className,omitempty"`
	WatchClassless   bool     `json:"watchClassless,omitempty"`
	ParentIDTemplate string   `json:"parentIDTemplate,omitempty"`
}

type entry struct {
	SPIFFEID      string   `json:"spiffeID"`
	ParentID      string   `json:"parentID"`
	Selectors     []string `json:"selectors"`
	X509SVIDTTL   int      `json:"x509SVIDTTL,omitempty"`
	JWTSVIDTTL    int      `json:"jwtSVIDTTL,omitempty"`
	FederatesWith []string `json:"federatesWith,omitempty"`
	DNSNames      []string `json:"dnsNames,omitempty"`
	Admin         bool     `json:"admin,omitempty"`
	Downstream    bool     `json:"downstream,omitempty"`
	Hint          string   `json:"hint,omitempty"`
	StoreSVID     bool     `json:"storeSVID,omitempty"`
}

type expectation struct {
	Entries  []entry                   `json:"entries"`
	Statuses map[string]map[string]any `json:"statuses,omitempty"`
}

type testCase struct {
	Name    string            `json:"name"`
	Config  config            `json:"config"`
	Objects []json.RawMessage `json:"objects"`
	Expect  *expectation      `json:"expect,omitempty"`
	// Only ours: the original knows no such object, or answers otherwise. Left as it is.
	Ours string `json:"ours,omitempty"`
}

func main() {
	log.SetLogger(logr.Discard())
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		fail(err)
	}
	for i := range cases {
		if cases[i].Ours != "" {
			continue
		}
		expect, err := run(cases[i])
		if err != nil {
			fail(fmt.Errorf("%s: %w", cases[i].Name, err))
		}
		cases[i].Expect = expect
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(cases); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}

func run(c testCase) (*expectation, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := spirev1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	objects, err := decode(scheme, c.Objects)
	if err != nil {
		return nil, err
	}
	kube := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&spirev1alpha1.ClusterSPIFFEID{}, &spirev1alpha1.ClusterStaticEntry{}).
		WithIndex(&corev1.Endpoints{}, reconciler.EndpointUID, podsOf).Build()
	server := &server{}
	settings, err := settings(c.Config, kube, server)
	if err != nil {
		return nil, err
	}
	if err := reconcileOnce(settings, server); err != nil {
		return nil, err
	}
	return observe(kube, server)
}

func settings(c config, kube client.Client, server *server) (spireentry.ReconcilerConfig, error) {
	td, err := spiffeid.TrustDomainFromString(c.TrustDomain)
	if err != nil {
		return spireentry.ReconcilerConfig{}, err
	}
	settings := spireentry.ReconcilerConfig{
		TrustDomain: td, ClusterName: c.ClusterName, ClusterDomain: c.ClusterDomain,
		EntryClient: server, K8sClient: kube, GCInterval: time.Millisecond,
		ClassName: c.ClassName, WatchClassless: c.WatchClassless,
		Reconcile: spirev1alpha1.ReconcileConfig{ClusterSPIFFEIDs: true, ClusterStaticEntries: true},
	}
	for _, pattern := range c.IgnoreNamespaces {
		settings.IgnoreNamespaces = append(settings.IgnoreNamespaces, regexp.MustCompile(pattern))
	}
	if c.ParentIDTemplate != "" {
		settings.ParentIDTemplate, err = template.New("parent").Parse(c.ParentIDTemplate)
	}
	return settings, err
}

func decode(scheme *runtime.Scheme, raw []json.RawMessage) ([]client.Object, error) {
	var objects []client.Object
	for _, one := range raw {
		var kind runtime.TypeMeta
		if err := json.Unmarshal(one, &kind); err != nil {
			return nil, err
		}
		object, err := scheme.New(kind.GroupVersionKind())
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(one, object); err != nil {
			return nil, err
		}
		objects = append(objects, object.(client.Object))
	}
	return objects, nil
}

// podsOf is the index over pods that the original's pod controller sets up.
func podsOf(object client.Object) []string {
	var pods []string
	for _, subset := range object.(*corev1.Endpoints).Subsets {
		for _, address := range append(append([]corev1.EndpointAddress{}, subset.Addresses...), subset.NotReadyAddresses...) {
			if address.TargetRef != nil && address.TargetRef.Kind == "Pod" {
				pods = append(pods, string(address.TargetRef.UID))
			}
		}
	}
	return pods
}

func reconcileOnce(settings spireentry.ReconcilerConfig, server *server) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	loop := spireentry.Reconciler(settings)
	ended := make(chan error, 1)
	// A second round begins with a list when the first is over, status and all.
	go func() { ended <- loop.Run(ctx) }()
	<-server.listed(2)
	cancel()
	<-ended
	return nil
}

func observe(kube client.Client, server *server) (*expectation, error) {
	expect := &expectation{Entries: []entry{}, Statuses: map[string]map[string]any{}}
	for _, made := range server.created {
		expect.Entries = append(expect.Entries, fromAPI(made))
	}
	sort.Slice(expect.Entries, func(i, j int) bool {
		return fmt.Sprint(expect.Entries[i]) < fmt.Sprint(expect.Entries[j])
	})
	var ids spirev1alpha1.ClusterSPIFFEIDList
	if err := kube.List(context.Background(), &ids); err != nil {
		return nil, err
	}
	for _, id := range ids.Items {
		expect.Statuses["ClusterSPIFFEID/"+id.Name] = fields(id.Status.Stats)
	}
	var static spirev1alpha1.ClusterStaticEntryList
	if err := kube.List(context.Background(), &static); err != nil {
		return nil, err
	}
	for _, one := range static.Items {
		expect.Statuses["ClusterStaticEntry/"+one.Name] = fields(one.Status)
	}
	return expect, nil
}

func fields(status any) map[string]any {
	text, _ := json.Marshal(status)
	var out map[string]any
	_ = json.Unmarshal(text, &out)
	return out
}

func fromAPI(made spireapi.Entry) entry {
	out := entry{
		SPIFFEID: made.SPIFFEID.String(), ParentID: made.ParentID.String(), Selectors: []string{},
		X509SVIDTTL: int(made.X509SVIDTTL / time.Second), JWTSVIDTTL: int(made.JWTSVIDTTL / time.Second),
		DNSNames: made.DNSNames, Admin: made.Admin, Downstream: made.Downstream, Hint: made.Hint,
		StoreSVID: made.StoreSVID,
	}
	for _, selector := range made.Selectors {
		out.Selectors = append(out.Selectors, selector.Type+":"+selector.Value)
	}
	sort.Strings(out.Selectors)
	for _, td := range made.FederatesWith {
		out.FederatesWith = append(out.FederatesWith, td.Name())
	}
	return out
}
