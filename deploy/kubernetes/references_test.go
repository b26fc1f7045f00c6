package kubernetes_test

import (
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestReferences follows every name from one document to another.
func TestReferences(t *testing.T) {
	d := all(t)
	pods := map[string]*corev1.PodTemplateSpec{"nats": &get[*appsv1.StatefulSet](t, d, "StatefulSet firn-nats").Spec.Template}
	for name, job := range jobs(t, d) {
		pods[name] = &job.Template
	}
	secrets := secretsMade(t)
	for name, pod := range pods {
		if a := pod.Spec.ServiceAccountName; a != "" && d["ServiceAccount "+a] == nil {
			t.Errorf("%s: there is no service account %s", name, a)
		}
		for _, v := range pod.Spec.Volumes {
			switch {
			case v.PersistentVolumeClaim != nil:
				get[*corev1.PersistentVolumeClaim](t, d, "PersistentVolumeClaim "+v.PersistentVolumeClaim.ClaimName)
			case v.ConfigMap != nil:
				get[*corev1.ConfigMap](t, d, "ConfigMap "+v.ConfigMap.Name)
			case v.Secret != nil && secrets[v.Secret.SecretName] == "":
				t.Errorf("%s: nobody makes the secret %s", name, v.Secret.SecretName)
			}
		}
		for _, c := range pod.Spec.Containers {
			for _, from := range c.EnvFrom {
				get[*corev1.ConfigMap](t, d, "ConfigMap "+from.ConfigMapRef.Name)
			}
			for _, e := range c.Env {
				if s := e.ValueFrom.SecretKeyRef; secrets[s.Name] != s.Key {
					t.Errorf("%s: nobody makes the secret %s with %s", name, s.Name, s.Key)
				}
			}
			for _, p := range paths(&c) {
				if m := mount(t, pod, &c, p); m.volume.Secret != nil && m.inside != secrets[m.volume.Secret.SecretName] {
					t.Errorf("%s: %s is not in the secret %s", name, p, m.volume.Secret.SecretName)
				}
			}
		}
	}
	volume := get[*corev1.PersistentVolume](t, d, "PersistentVolume firn-tree")
	claim := get[*corev1.PersistentVolumeClaim](t, d, "PersistentVolumeClaim firn-tree")
	if namespace := get[*kustomization](t, d, "Kustomization ").Namespace; volume.Spec.ClaimRef.Name != claim.Name ||
		volume.Spec.ClaimRef.Namespace != namespace || claim.Spec.VolumeName != volume.Name ||
		!slices.Equal(claim.Spec.AccessModes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}) {
		t.Errorf("the volume of the tree is for %v, and its claim wants %s", volume.Spec.ClaimRef, claim.Spec.VolumeName)
	}
}

// TestQueueIsReached: the Pods of firn, and KEDA, reach the ports of NATS by the names that they use.
func TestQueueIsReached(t *testing.T) {
	d := all(t)
	nats := get[*appsv1.StatefulSet](t, d, "StatefulSet firn-nats")
	service := get[*corev1.Service](t, d, "Service firn-nats")
	policy := get[*networkingv1.NetworkPolicy](t, d, "NetworkPolicy firn-nats")
	labels := nats.Spec.Template.Labels
	for what, selected := range map[string]map[string]string{
		"StatefulSet": nats.Spec.Selector.MatchLabels, "Service": service.Spec.Selector, "NetworkPolicy": policy.Spec.PodSelector.MatchLabels,
	} {
		if !reflect.DeepEqual(selected, labels) {
			t.Errorf("the %s selects %v, and the Pods are %v", what, selected, labels)
		}
	}
	if nats.Spec.ServiceName != service.Name {
		t.Errorf("the StatefulSet is served by %s", nats.Spec.ServiceName)
	}
	container := nats.Spec.Template.Spec.Containers[0]
	port := func(name string) (number int32) {
		for _, p := range container.Ports {
			if p.Name == name {
				number = p.ContainerPort
			}
		}
		return number
	}
	for _, p := range service.Spec.Ports {
		if p.Port != port(p.Name) {
			t.Errorf("the service has port %d for %s, and the Pod %d", p.Port, p.Name, port(p.Name))
		}
	}
	for _, in := range policy.Spec.Ingress {
		if name := in.Ports[0].Port.StrVal; port(name) == 0 {
			t.Errorf("the policy opens %s, which is no port of the Pod", name)
		}
	}
	if probe := container.ReadinessProbe.HTTPGet.Port.StrVal; port(probe) == 0 {
		t.Errorf("%s is no port of the Pod", probe)
	}
	allowed := policy.Spec.Ingress[0].From[0].PodSelector.MatchLabels
	for name, job := range jobs(t, d) {
		for label, value := range allowed {
			if job.Template.Labels[label] != value {
				t.Errorf("the Pods of %s are %v: the policy lets only %v reach the queue", name, job.Template.Labels, allowed)
			}
		}
		if queue := flagValue(&job.Template.Spec.Containers[0], "queue"); queue != "nats://"+service.Name+":4222" || port("client") != 4222 {
			t.Errorf("%s joins %s", name, queue)
		}
	}
	namespace := get[*kustomization](t, d, "Kustomization ").Namespace
	if at := get[*scaledJob](t, d, "ScaledJob firn-workers").Spec.Triggers[0].Metadata.Endpoint; at != service.Name+"."+namespace+".svc:8222" || port("monitor") != 8222 {
		t.Errorf("KEDA asks %s", at)
	}
}

// TestHostsAgree: coordinator and workers are one program and see one tree, which they cannot change;
// what a worker spools fits into its volume.
func TestHostsAgree(t *testing.T) {
	d := all(t)
	image := get[*kustomization](t, d, "Kustomization ").Images[0].Name
	all := jobs(t, d)
	first := all["coordinator"].Template.Spec.Containers[0]
	for name, job := range all {
		c := &job.Template.Spec.Containers[0]
		if c.Image != image || c.Name != "firn" || c.Command != nil {
			t.Errorf("%s runs %s %v of %s", name, c.Name, c.Command, c.Image)
		}
		for _, flag := range []string{"backup-path", "keyfile", "queue", "queue-token-file", "metrics-address"} {
			if a, b := flagValue(&first, flag), flagValue(c, flag); a != b {
				t.Errorf("--%s is %s for the coordinator, and %s for %s", flag, a, b, name)
			}
		}
		if !reflect.DeepEqual(c.EnvFrom, first.EnvFrom) || !reflect.DeepEqual(c.SecurityContext, first.SecurityContext) {
			t.Errorf("%s has other settings, or may do other things", name)
		}
		if m := mount(t, &job.Template, c, flagValue(c, "backup-path")); !m.readOnly || m.volume.PersistentVolumeClaim == nil || m.inside != "" {
			t.Errorf("%s: the tree is %+v", name, m)
		}
		cache := mount(t, &job.Template, c, flagValue(c, "cache-path"))
		if cache.readOnly {
			t.Errorf("%s can't write to its cache path", name)
		}
		if name != "coordinator" {
			limit := cache.volume.EmptyDir.SizeLimit
			asked := c.Resources.Requests[corev1.ResourceEphemeralStorage]
			spool := resource.MustParse(strings.TrimSuffix(flagValue(c, "spool-limit"), "B"))
			if spool.Cmp(*limit) >= 0 || asked.Cmp(*limit) != 0 {
				t.Errorf("%s: it spools %v into %v, and asks for %v", name, &spool, limit, &asked)
			}
		}
	}
	if !reflect.DeepEqual(all["workers"].Template, all["keda"].Template) {
		t.Error("workers.yaml and keda.yaml have different Pods")
	}
}

// TestExitCodes: what becomes of a Job whose Pod ends with an exit code of firn.
func TestExitCodes(t *testing.T) {
	const again, counted, failed = "again", "again, up to backoffLimit times", "failed"
	for name, want := range map[string]map[int32]string{
		"coordinator": {1: counted, 2: failed, 3: failed, 130: again},
		"workers":     {1: counted, 2: failed, 137: counted, 130: again},
		"keda":        {1: counted, 2: failed, 137: counted, 130: again},
	} {
		job := jobs(t, all(t))[name]
		if job.Template.Spec.RestartPolicy != corev1.RestartPolicyNever || job.BackoffLimit == nil || *job.BackoffLimit > 20 {
			t.Errorf("%s: %s, up to %v times", name, job.Template.Spec.RestartPolicy, job.BackoffLimit)
		}
		for code, want := range want {
			got := counted
			for _, rule := range job.PodFailurePolicy.Rules {
				on := rule.OnExitCodes
				if on == nil || *on.ContainerName != job.Template.Spec.Containers[0].Name || on.Operator != batchv1.PodFailurePolicyOnExitCodesOpIn || !slices.Contains(on.Values, code) {
					continue
				}
				got = map[batchv1.PodFailurePolicyAction]string{batchv1.PodFailurePolicyActionIgnore: again, batchv1.PodFailurePolicyActionFailJob: failed}[rule.Action]
				break
			}
			if got != want {
				t.Errorf("%s that ends with %d: %s, not %s", name, code, got, want)
			}
		}
	}
}

// flagValue is the value of a flag in a container's arguments, "" if it is not there.
func flagValue(c *corev1.Container, name string) string {
	for _, a := range c.Args {
		if value, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

// paths are what a container's arguments say of its file system.
func paths(c *corev1.Container) (found []string) {
	for _, a := range c.Args {
		if _, value, ok := strings.Cut(a, "="); ok && strings.HasPrefix(value, "/") {
			found = append(found, value)
		} else if strings.HasPrefix(a, "/") {
			found = append(found, a)
		}
	}
	return found
}

// A mounted is where a path of a container is.
type mounted struct {
	volume   corev1.Volume
	inside   string // the volume
	readOnly bool
}

func mount(t *testing.T, pod *corev1.PodTemplateSpec, c *corev1.Container, file string) mounted {
	t.Helper()
	for _, m := range c.VolumeMounts {
		if file != m.MountPath && !strings.HasPrefix(file, m.MountPath+"/") {
			continue
		}
		for _, v := range pod.Spec.Volumes {
			if v.Name == m.Name {
				inside := strings.TrimPrefix(strings.TrimPrefix(file, m.MountPath), "/")
				return mounted{v, path.Clean("/" + inside)[1:], m.ReadOnly}
			}
		}
		t.Fatalf("%s is mounted, and is no volume", m.Name)
	}
	t.Fatalf("%s is on no volume", file)
	return mounted{}
}

// secretsMade are the secrets that settings.yaml says how to make, with the key of each.
func secretsMade(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("settings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if _, rest, ok := strings.Cut(line, "create secret generic "); ok {
			name, from, _ := strings.Cut(rest, " --from-")
			_, key, _ := strings.Cut(from, "=")
			key, _, _ = strings.Cut(strings.TrimSpace(key), "=")
			made[name] = key
		}
	}
	if len(made) != 2 {
		t.Fatalf("secrets: %v", made)
	}
	return made
}
