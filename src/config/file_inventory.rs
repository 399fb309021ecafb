//! The inventory as it is written: what there is. Names, addresses, groups and BMCs; no wishes.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::union::{OneOrMany, WordOr};

/// What there is: hosts, their addresses, groups and BMCs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "inventory")]
pub struct InventoryFile {
    /// What is required of the cluster: the name of a profile, such as
    /// `anuket-ra2/high-performance`.
    #[schemars(extend("examples" = ["anuket-ra2/basic"]))]
    pub profile: Option<String>,
    pub cluster: Option<ClusterFile>,
    /// What holds for every host that does not say otherwise.
    #[serde(default)]
    pub defaults: DefaultsFile,
    /// Group name to its hosts.
    #[serde(default)]
    pub groups: IndexMap<String, GroupFile>,
    /// Host name, or a range of names such as `w[01-40]`, to what is known of it.
    #[schemars(extend("examples" = ["{cp1: {address: 192.0.2.11}}"]))]
    pub hosts: IndexMap<String, Option<HostFile>>,
    /// Name to where the value is had when it is needed. Seen by roles as `secrets.NAME`.
    #[serde(default)]
    pub secrets: IndexMap<String, SecretSource>,
    /// Machines that ra-deploy makes itself to try it all without hardware.
    pub lab: Option<Map<String, Value>>,
}

/// The cluster that the hosts become.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{name: east, kubernetes: 1.33}"]))]
pub struct ClusterFile {
    #[schemars(extend("examples" = ["east"]))]
    pub name: String,
    /// Kubernetes version: `1.33` or `1.33.13`.
    #[schemars(extend("examples" = ["1.33"]))]
    pub kubernetes: String,
    /// Name or address of the API that outlives any one control plane.
    pub endpoint: Option<String>,
    /// Pod networks in CIDR notation, one a family.
    #[serde(default)]
    pub pods: OneOrMany<String>,
    /// Service networks in CIDR notation, one a family.
    #[serde(default)]
    pub services: OneOrMany<String>,
}

/// What holds for every host that does not say otherwise.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DefaultsFile {
    pub ssh: Option<SshFile>,
    pub bmc: Option<BmcFile>,
    pub connection: Option<WordOr<CommandFile>>,
    /// Values of role parameters.
    #[serde(default)]
    pub parameters: Map<String, Value>,
}

/// Hosts that have something in common.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{hosts: \"w[01-40]\"}"]))]
pub struct GroupFile {
    /// Host names or ranges.
    #[serde(default)]
    pub hosts: OneOrMany<String>,
    #[serde(default)]
    pub parameters: Map<String, Value>,
    pub ssh: Option<SshFile>,
    pub bmc: Option<BmcFile>,
    pub connection: Option<WordOr<CommandFile>>,
}

/// One host, or each host of a range. Texts may use `{{ n }}`, the running number of the range,
/// and `{{ name }}`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{address: 192.0.2.11, bmc: \"https://198.51.100.11\"}"]))]
pub struct HostFile {
    /// IP address or name that SSH connects to.
    #[schemars(extend("examples" = ["192.0.2.11"]))]
    pub address: Option<String>,
    /// More addresses, such as one of the other family.
    #[serde(default)]
    pub addresses: OneOrMany<String>,
    /// Address of its BMC, or a map with more.
    pub bmc: Option<WordOr<BmcFile>>,
    pub ssh: Option<SshFile>,
    pub connection: Option<WordOr<CommandFile>>,
    #[serde(default)]
    pub parameters: Map<String, Value>,
}

/// How SSH gets to a host.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{user: ops, key: ~/.ssh/ops}"]))]
pub struct SshFile {
    /// `root` when absent.
    pub user: Option<String>,
    /// 22 when absent.
    pub port: Option<u16>,
    /// Private key files, tried in order. `~/.ssh/id_ed25519` and `~/.ssh/id_rsa` when absent.
    pub key: Option<OneOrMany<String>>,
    pub password: Option<SecretSource>,
    /// Whether the keys of the SSH agent are offered; `true` when absent.
    pub agent: Option<bool>,
    /// Jump hosts, outermost first: `host`, `user@host:port` or a map.
    pub jump: Option<OneOrMany<WordOr<JumpFile>>>,
    /// `strict`, `accept-new` (when absent), or a pin such as `SHA256:…`.
    pub host_key: Option<String>,
    /// `~/.ssh/known_hosts` when absent.
    pub known_hosts: Option<String>,
    /// How commands get root's rights: `free` (sudo without a password), `none`, or
    /// `{password: …}`.
    pub sudo: Option<WordOr<SudoFile>>,
    /// How long a connection may take: `10s` when absent.
    pub connect_timeout: Option<String>,
}

/// A jump host that differs from the hosts behind it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{address: bastion.example.net, user: gate}"]))]
pub struct JumpFile {
    pub address: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub key: Option<OneOrMany<String>>,
    pub password: Option<SecretSource>,
    pub agent: Option<bool>,
    pub host_key: Option<String>,
    pub known_hosts: Option<String>,
}

/// sudo that asks for a password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{password: {env: SUDO_PASSWORD}}"]))]
pub struct SudoFile {
    pub password: SecretSource,
}

/// A connection by a command that gives a POSIX shell on its standard input.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{command: [docker, exec, -i, \"{{ host.name }}\", sh]}"]))]
pub struct CommandFile {
    /// The argument vector; texts may use `{{ host.name }}` and `{{ host.address }}`.
    pub command: Vec<String>,
}

/// A BMC, and how it is trusted: a `pin`, a `ca`, `insecure: true`, or the system's authorities.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("examples" = ["{address: \"https://198.51.100.11\", user: admin, password: {env: BMC_PASSWORD}}"]))]
pub struct BmcFile {
    pub address: Option<String>,
    pub user: Option<String>,
    pub password: Option<SecretSource>,
    /// The password that the BMC was delivered with. Where it still is the one, ra-deploy logs in
    /// with it once and sets `password`.
    pub first_password: Option<SecretSource>,
    /// SHA-256 of the BMC's certificate: `sha256:` and 64 hexadecimal digits; or, where several
    /// hosts are meant, a map from host name to that. `ra-deploy bmc pin` writes it.
    pub pin: Option<WordOr<IndexMap<String, String>>>,
    /// A PEM file with the authority's certificates.
    pub ca: Option<String>,
    /// `true`: any certificate will do.
    pub insecure: Option<bool>,
}

/// Where a secret is had when it is needed; it is never written into a file of the site.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend(
    "oneOf" = [{"required": ["env"]}, {"required": ["file"]}, {"required": ["command"]}],
    "examples" = ["{env: BMC_PASSWORD}"],
    "x-one" = ["secret", "source"],
    "x-secret" = true,
    "x-help" = "a secret stands in no file of the site: write `{env: NAME}`, `{file: PATH}` or `{command: [pass, show, NAME]}`"
))]
pub struct SecretSource {
    /// An environment variable.
    pub env: Option<String>,
    /// A file's content without the newline at its end.
    pub file: Option<String>,
    /// What a command prints, without the newline at its end.
    pub command: Option<Vec<String>>,
}
