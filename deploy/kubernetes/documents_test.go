// Package kubernetes_test checks the documents of this directory, and runs what is in them. It is a module
// of its own, so that firn needs none of the modules of Kubernetes.
package kubernetes_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// documents are all objects of the directory by "Kind name", each strictly of its API type.
type documents map[string]any

// kinds are the types by which the API server decodes a document.
var kinds = map[string]func() any{
	"v1 ServiceAccount":                             func() any { return &corev1.ServiceAccount{} },
	"v1 ConfigMap":                                  func() any { return &corev1.ConfigMap{} },
	"v1 PersistentVolume":                           func() any { return &corev1.PersistentVolume{} },
	"v1 PersistentVolumeClaim":                      func() any { return &corev1.PersistentVolumeClaim{} },
	"v1 Service":                                    func() any { return &corev1.Service{} },
	"apps/v1 StatefulSet":                           func() any { return &appsv1.StatefulSet{} },
	"batch/v1 Job":                                  func() any { return &batchv1.Job{} },
	"networking.k8s.io/v1 NetworkPolicy":            func() any { return &networkingv1.NetworkPolicy{} },
	"keda.sh/v1alpha1 ScaledJob":                    func() any { return &scaledJob{} },
	"kustomize.config.k8s.io/v1beta1 Kustomization": func() any { return &kustomization{} },
}

// kustomization has the fields of kustomize's file that are used here.
type kustomization struct {
	metav1.TypeMeta `json:",inline"`
	Namespace       string   `json:"namespace"`
	Resources       []string `json:"resources"`
	Images          []struct {
		Name    string `json:"name"`
		NewName string `json:"newName"`
		NewTag  string `json:"newTag"`
	} `json:"images"`
}

// scaledJob has the fields of KEDA's ScaledJob that are used here, by its apis/keda/v1alpha1 (v2.20).
type scaledJob struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		JobTargetRef               batchv1.JobSpec `json:"jobTargetRef"`
		PollingInterval            int32           `json:"pollingInterval"`
		SuccessfulJobsHistoryLimit int32           `json:"successfulJobsHistoryLimit"`
		FailedJobsHistoryLimit     int32           `json:"failedJobsHistoryLimit"`
		MaxReplicaCount            int32           `json:"maxReplicaCount"`
		Triggers                   []struct {
			Type     string        `json:"type"`
			Metadata natsJetStream `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// natsJetStream is the metadata of KEDA's nats-jetstream scaler, by its pkg/scalers (v2.20): all values are
// strings.
type natsJetStream struct {
	Endpoint     string `json:"natsServerMonitoringEndpoint"`
	Account      string `json:"account"`
	Stream       string `json:"stream"`
	Consumer     string `json:"consumer"`
	LagThreshold string `json:"lagThreshold"`
}

// read decodes the documents of a file, as the API server does with strict validation.
func (d documents) read(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range bytes.Split(text, []byte("\n---\n")) {
		raw, err := yaml.YAMLToJSONStrict(one)
		if err != nil {
			t.Fatalf("%s, document %d: %v", name, i+1, err)
		}
		var head metav1.PartialObjectMetadata
		if err := json.UnmarshalCaseSensitivePreserveInts(raw, &head); err != nil {
			t.Fatalf("%s, document %d: %v", name, i+1, err)
		}
		kind := kinds[head.APIVersion+" "+head.Kind]
		if kind == nil {
			t.Fatalf("%s, document %d: %s %s is not known to this test", name, i+1, head.APIVersion, head.Kind)
		}
		object := kind()
		strict, err := json.UnmarshalStrict(raw, object)
		if err != nil || len(strict) > 0 {
			t.Fatalf("%s, %s: %v %v", name, head.Kind, err, strict)
		}
		id := head.Kind + " " + head.Name
		if d[id] != nil {
			t.Errorf("%s: %s is there twice", name, id)
		}
		d[id] = object
	}
}

// all reads every document of the directory.
func all(t *testing.T) documents {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("%v, %v", files, err)
	}
	d := documents{}
	for _, f := range files {
		d.read(t, f)
	}
	return d
}

// get is the object with a name.
func get[T any](t *testing.T, d documents, id string) T {
	t.Helper()
	object, ok := d[id].(T)
	if !ok {
		t.Fatalf("there is no %s", id)
	}
	return object
}

// jobs are those that run firn.
func jobs(t *testing.T, d documents) map[string]*batchv1.JobSpec {
	return map[string]*batchv1.JobSpec{
		"coordinator": &get[*batchv1.Job](t, d, "Job firn-coordinator").Spec,
		"workers":     &get[*batchv1.Job](t, d, "Job firn-workers").Spec,
		"keda":        &get[*scaledJob](t, d, "ScaledJob firn-workers").Spec.JobTargetRef,
	}
}

// TestDocuments decodes every document strictly, and looks for those that nothing lists.
func TestDocuments(t *testing.T) {
	d := all(t)
	k := get[*kustomization](t, d, "Kustomization ")
	for _, f := range k.Resources {
		if _, err := os.Stat(f); err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile("kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("*.yaml")
	for _, f := range files {
		listed := slices.Contains(k.Resources, f)
		if keda := f == "keda.yaml"; listed == keda && f != "kustomization.yaml" || keda && !strings.Contains(string(text), "# - keda.yaml\n") {
			t.Errorf("%s is listed: %v", f, listed)
		}
	}
}

// TestStrict shows that a document which the API server would refuse is noticed.
func TestStrict(t *testing.T) {
	for _, wrong := range []string{"restartPolicies: Never", "containers: []", "Volumes: []"} {
		raw, err := yaml.YAMLToJSONStrict([]byte("spec:\n  template:\n    spec:\n      containers: []\n      " + wrong + "\n"))
		if err == nil {
			strict, wrong := json.UnmarshalStrict(raw, &batchv1.Job{})
			if err = wrong; len(strict) > 0 {
				err = strict[0]
			}
		}
		if err == nil {
			t.Errorf("%q is not noticed", wrong)
		}
	}
}
