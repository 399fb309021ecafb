//! Where the Kubernetes API has an object: kinds to plural names and scopes.

/// Groups whose kinds every cluster has, with the scope known from the list below.
const BUILT_IN_GROUPS: &[&str] = &[
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Kinds of those groups that are in no namespace.
const CLUSTER_SCOPED: &[&str] = &[
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterTrustBundle",
    "CustomResourceDefinition",
    "DeviceClass",
    "FlowSchema",
    "IPAddress",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "ResourceSlice",
    "RuntimeClass",
    "ServiceCIDR",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
    "VolumeAttributesClass",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Cluster,
    Namespaced,
}

/// How the API names a kind, as far as a definition in the same manifest tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    pub group: String,
    pub kind: String,
    pub plural: String,
    pub scope: Scope,
}

/// Scope of a kind. `namespaced` says whether the object names a namespace: for a kind that
/// nothing else tells about, that is the best sign.
pub(super) fn scope(group: &str, kind: &str, namespaced: bool, known: &[Definition]) -> Scope {
    if let Some(definition) = find(group, kind, known) {
        return definition.scope;
    }
    let cluster = if BUILT_IN_GROUPS.contains(&group) {
        CLUSTER_SCOPED.contains(&kind)
    } else {
        !namespaced
    };
    if cluster {
        Scope::Cluster
    } else {
        Scope::Namespaced
    }
}

/// `/apis/apps/v1/namespaces/kube-system/deployments/coredns`.
pub(super) fn path(
    api_version: &str,
    kind: &str,
    namespace: Option<&str>,
    name: &str,
    known: &[Definition],
) -> String {
    let (root, group) = match api_version.split_once('/') {
        None => ("/api", ""),
        Some((group, _)) => ("/apis", group),
    };
    let plural = find(group, kind, known)
        .map(|definition| definition.plural.clone())
        .unwrap_or_else(|| plural(kind));
    match namespace {
        Some(namespace) => format!("{root}/{api_version}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{root}/{api_version}/{plural}/{name}"),
    }
}

fn find<'known>(
    group: &str,
    kind: &str,
    known: &'known [Definition],
) -> Option<&'known Definition> {
    known
        .iter()
        .find(|definition| definition.group == group && definition.kind == kind)
}

/// English plural in lower case, as the API's own kinds form it.
fn plural(kind: &str) -> String {
    let word = kind.to_lowercase();
    if word == "endpoints" {
        return word;
    }
    let sibilant = ["s", "x", "z", "ch", "sh"];
    if sibilant.iter().any(|ending| word.ends_with(ending)) {
        return format!("{word}es");
    }
    match word.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_the_api_names() {
        // The plurals of a live cluster's `kubectl api-resources`.
        for (kind, expected) in [
            ("Endpoints", "endpoints"),
            ("NetworkPolicy", "networkpolicies"),
            ("StorageClass", "storageclasses"),
            ("Ingress", "ingresses"),
            ("CSINode", "csinodes"),
            ("Gateway", "gateways"),
            ("APIService", "apiservices"),
            ("DaemonSet", "daemonsets"),
        ] {
            assert_eq!(plural(kind), expected);
        }
    }

    #[test]
    fn finds_an_object() {
        assert_eq!(
            path("v1", "Namespace", None, "calico", &[]),
            "/api/v1/namespaces/calico"
        );
        assert_eq!(
            path(
                "apps/v1",
                "DaemonSet",
                Some("kube-system"),
                "calico-node",
                &[]
            ),
            "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node"
        );
        let own = [Definition {
            group: "k8s.cni.cncf.io".into(),
            kind: "NetworkAttachmentDefinition".into(),
            plural: "network-attachment-definitions".into(),
            scope: Scope::Namespaced,
        }];
        assert_eq!(
            path(
                "k8s.cni.cncf.io/v1",
                "NetworkAttachmentDefinition",
                Some("a"),
                "b",
                &own
            ),
            "/apis/k8s.cni.cncf.io/v1/namespaces/a/network-attachment-definitions/b"
        );
    }

    #[test]
    fn tells_the_scope() {
        assert_eq!(scope("apps", "Deployment", false, &[]), Scope::Namespaced);
        assert_eq!(
            scope("storage.k8s.io", "StorageClass", true, &[]),
            Scope::Cluster
        );
        assert_eq!(
            scope("crd.projectcalico.org", "IPPool", false, &[]),
            Scope::Cluster
        );
        assert_eq!(
            scope("cert-manager.io", "Issuer", true, &[]),
            Scope::Namespaced
        );
    }
}
