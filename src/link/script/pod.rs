//! Questions that only a pod can answer: one namespace, one pod a question, all at once.

use serde_json::{Map, Value, json};

use crate::model::query::PodQuery;
use crate::model::shell::quote;

/// The namespace that probe pods live in while a script runs.
const NAMESPACE: &str = "ra-deploy-probe";

/// Makes all pods, waits for each, prints its log and exit status, and takes them away.
pub(super) fn script(pods: &[PodQuery], inner: &str) -> String {
    // The tail of the nonce keeps two runs' pods apart.
    let tail: String = inner
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .skip(2)
        .take(8)
        .collect();
    let mut documents = vec![json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
    })];
    documents.extend(
        pods.iter()
            .enumerate()
            .map(|(index, pod)| manifest(&name(index, &tail), pod)),
    );
    let list = json!({"apiVersion": "v1", "kind": "List", "items": documents}).to_string();
    let longest = pods
        .iter()
        .map(|pod| pod.timeout_seconds)
        .max()
        .unwrap_or(60);
    let names: Vec<String> = (0..pods.len()).map(|index| name(index, &tail)).collect();
    let reads: String = names
        .iter()
        .map(|pod| {
            format!(
                "kubectl logs -n {NAMESPACE} {pod} --tail=2000 2>&1\n\
                 printf '\\n{inner} %s\\n' \"$(kubectl get pod -n {NAMESPACE} {pod} -o \
                 'jsonpath={{.status.phase}} {{.status.containerStatuses[0].state.terminated.exitCode}} {{.status.containerStatuses[0].state.waiting.reason}}')\"\n"
            )
        })
        .collect();
    let all = names.join(" ");
    format!(
        "KUBECONFIG=/etc/kubernetes/admin.conf; export KUBECONFIG\n\
         if [ -r $KUBECONFIG ] && printf %s {list} | kubectl apply -f - >/dev/null; then\n\
         end=$(( $(date +%s) + {longest} ))\n\
         while [ \"$(date +%s)\" -lt $end ]; do\n\
         case \" $(kubectl get pods -n {NAMESPACE} {all} -o 'jsonpath={{.items[*].status.phase}} {{.status.phase}}') \" in \
         *' Pending '*|*' Running '*|*' Unknown '*) sleep 1;; *) break;; esac\n\
         done\n\
         {reads}\
         kubectl delete pod -n {NAMESPACE} {all} --grace-period=0 --force --wait=false >/dev/null 2>&1\n\
         true\n\
         else echo 'the probe pods could not be made' >&2; (exit 3); fi",
        list = quote(&list),
    )
}

fn name(index: usize, tail: &str) -> String {
    format!("probe-{tail}-{index}")
}

fn manifest(name: &str, pod: &PodQuery) -> Value {
    let overrides: Value = pod
        .overrides
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let mut container = Map::new();
    container.insert("name".into(), "probe".into());
    container.insert("image".into(), pod.image.clone().into());
    container.insert("imagePullPolicy".into(), "IfNotPresent".into());
    container.insert("command".into(), json!(["sh", "-c", pod.script]));
    extend(&mut container, overrides.get("container"));
    let mut spec = Map::new();
    spec.insert("restartPolicy".into(), "Never".into());
    spec.insert("terminationGracePeriodSeconds".into(), 0.into());
    spec.insert("activeDeadlineSeconds".into(), pod.timeout_seconds.into());
    spec.insert("tolerations".into(), json!([{"operator": "Exists"}]));
    if let Some(node) = &pod.node {
        spec.insert("nodeName".into(), node.clone().into());
    }
    extend(&mut spec, overrides.get("spec"));
    spec.insert("containers".into(), json!([container]));
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "ra-deploy-probe"}},
        "spec": spec,
    })
}

fn extend(map: &mut Map<String, Value>, more: Option<&Value>) {
    if let Some(Value::Object(more)) = more {
        map.extend(more.clone());
    }
}
