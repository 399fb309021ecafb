//! All files to one [`Site`], or all their faults.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::desk::{Desk, Opened, key_spot};
use super::fault::{Fault, Faults};
use super::file_inventory::InventoryFile;
use super::inventory::{Fleet, fleet};
use super::library::{Library, embedded_inventory, folder_of, read_at};
use super::names::{self, Known, Snippet, Surroundings, collect};
use super::nearest::suggestion;
use super::node::{Document, Node};
use super::parameters::{Declared, values};
use super::profile::{self, Layer};
use super::role::{OpenedRole, open};
use super::schema::{FileKind, KindShape};
use super::secrets::{SecretReader, Secrets};
use super::site::{Assignment, Profile, Role, Site};
use super::source::{Place, Source, Spot, Unreadable};
use super::template::Templates;
use super::words::snake;

/// What the rooms above know and the files are checked against.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    pub secrets: Secrets,
    /// The kinds of tasks.
    pub kinds: &'a [KindShape],
    /// Names of the catalogue's artifacts; empty: not checked.
    pub artifacts: &'a [String],
    /// Programs of the catalogue with their versions; empty: not checked.
    pub versions: &'a [(String, String)],
    /// Dotted paths of the facts, such as `cpu.flags`; empty: not checked.
    pub facts: &'a [String],
    /// Names of the checks written in Rust; empty: not checked.
    pub checks: &'a [String],
    /// The day on which waivers are judged; `None` is today.
    pub today: Option<&'a str>,
}

/// Reads an inventory and everything that it needs.
///
/// # Errors
/// Every fault of every file.
pub fn load(inventory: &Path, options: &Options<'_>) -> Result<Site, Faults> {
    let mut desk = Desk::new(options.kinds);
    let site = join(inventory, options, &mut desk);
    if !desk.faults.is_empty() {
        return Err(Faults::new(desk.faults, &desk.sources));
    }
    let mut site = site.unwrap_or_default();
    site.warnings = Faults::new(desk.warnings, &desk.sources);
    Ok(site)
}

fn join(path: &Path, options: &Options<'_>, desk: &mut Desk<'_>) -> Option<Site> {
    let library = Library::beside(path);
    let found = match read_at(path.to_owned()) {
        Err((place, Unreadable::Missing)) => match embedded_inventory(path) {
            Some(found) => found,
            None => Err((place, Unreadable::Missing)),
        },
        found => found,
    };
    let inventory: Opened<InventoryFile> = desk.open(found, FileKind::Inventory, |_| {})?;
    let document = &inventory.document;
    let layers = match document.root.get("profile") {
        Some(node) => match node.text().filter(|_| !node.is_null()) {
            Some(name) => profile::layers(name, document.spot(node.mark), &library, desk),
            None => Vec::new(),
        },
        None => Vec::new(),
    };
    let (assignments, named) = profile::assignments(&layers, desk);
    let opened = roles(&named, &library, desk);
    let mut snippets = Vec::new();
    let mut site = Site {
        name: path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default(),
        versions: options
            .versions
            .iter()
            .map(|(name, version)| (snake(name), version.clone()))
            .collect(),
        ..Site::default()
    };
    for assignment in &assignments {
        let role = opened.iter().find(|role| role.name == assignment.role);
        let role = role.and_then(|role| role.role(options.artifacts, &mut snippets, desk));
        if let Some(role) = role {
            site.roles.insert(role.name.clone(), role);
        }
    }
    let today = match options.today {
        Some(today) => today.to_owned(),
        None => jiff::Timestamp::now()
            .to_string()
            .chars()
            .take(10)
            .collect(),
    };
    let rows = super::requirement::rows(&layers);
    let requirements = rows
        .iter()
        .filter_map(|row| row.requirement(options.checks, &today, &mut snippets, desk))
        .collect();
    let folder = folder_of(path);
    let mut secrets = SecretReader::new(options.secrets, folder);
    let mut fleet = match &inventory.file {
        Some(file) => {
            site.cluster = file
                .cluster
                .as_ref()
                .map(|cluster| super::cluster::cluster(cluster, document, &site.versions, desk));
            site.lab = file.lab.clone().map(serde_json::Value::Object);
            for (name, source) in &file.secrets {
                let spot = key_spot(document, &["secrets", name]);
                let secret = secrets.get(source, &spot);
                if options.secrets == Secrets::Read {
                    secrets.vault.put(snake(name), secret);
                }
            }
            fleet(file, document, &mut secrets, desk)
        }
        None => Fleet::default(),
    };
    desk.faults.append(&mut secrets.faults);
    site.vault = Arc::new(secrets.vault);
    site.secrets = names_of(document, "secrets");
    if let Some(cluster) = &site.cluster {
        site.name.clone_from(&cluster.name);
    }
    parameters(
        &mut site,
        document,
        &layers,
        &opened,
        &mut fleet,
        &mut snippets,
        desk,
    );
    site.hosts = fleet.hosts;
    site.groups = fleet.groups;
    site.index = fleet.names;
    if inventory.file.is_some() {
        site.profile = layers.last().map(|layer| Profile {
            name: layer.name.clone(),
            title: profile::title(&layers).unwrap_or_else(|| layer.name.clone()),
            roles: assignments.clone(),
            requirements,
        });
        chosen(&site, desk);
        required(&site, &assignments, &mut desk.faults);
        super::order::check(&site, &mut desk.faults);
    }
    let known = known(&site, &opened, &assignments, options);
    site.templates = Arc::new(compile(
        &snippets,
        &opened,
        &assignments,
        &known,
        &mut desk.faults,
    ));
    late_once(&site, desk);
    site.digest = digest(&desk.sources);
    site.role_schema = desk.schema(FileKind::Role);
    site.sources.clone_from(&desk.sources);
    Some(site)
}

/// The roles that any layer names, each once.
fn roles(named: &[(String, Spot)], library: &Library, desk: &mut Desk<'_>) -> Vec<OpenedRole> {
    let mut seen = BTreeSet::new();
    let mut opened = Vec::new();
    for (name, spot) in named {
        if !seen.insert(name) {
            continue;
        }
        match library.role(name) {
            Some(files) => opened.extend(open(name, files, desk)),
            None => {
                let names = library.role_names();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                desk.fault(
                    Fault::new(spot.clone(), format!("there is no role `{name}`"))
                        .help(suggestion(name, "roles", names.iter().copied())),
                );
            }
        }
    }
    opened
}

/// Keys of a map of the document, in snake case.
fn names_of(document: &Document, key: &str) -> Vec<String> {
    let pairs = document.root.get(key).map(Node::pairs).unwrap_or_default();
    pairs.iter().map(|(key, _)| snake(&key.name)).collect()
}

/// Joins the values of parameters: profile, defaults, groups, host; the nearest wins.
fn parameters<'a>(
    site: &mut Site,
    document: &'a Document,
    layers: &'a [Layer],
    opened: &[OpenedRole],
    fleet: &mut Fleet<'a>,
    snippets: &mut Vec<Snippet<'a>>,
    desk: &mut Desk<'_>,
) {
    let mut declared: Declared<'_> = BTreeMap::new();
    for role in site.roles.values() {
        for (name, parameter) in &role.parameters {
            declared
                .entry(name.clone())
                .or_default()
                .push((&role.name, parameter));
        }
    }
    for (name, roles) in &declared {
        if let [(first, one), rest @ ..] = roles.as_slice()
            && let Some((second, _)) = rest.iter().find(|(_, other)| other.kind != one.kind)
            && let Some(role) = opened.iter().find(|role| role.name == *second)
        {
            let spot = role.parameter_spot(name);
            desk.fault(
                Fault::new(
                    spot,
                    format!("`{name}` is of another type in the role `{first}`"),
                )
                .help("a value that is set holds for both: give one of them another name"),
            );
        }
    }
    let names: Vec<String> = opened
        .iter()
        .flat_map(OpenedRole::parameter_names)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    // Without a profile nobody knows the roles.
    let names = (!layers.is_empty()).then_some(names.as_slice());
    let defaults = document.root.at("/defaults/parameters");
    let shared = profile::parameters(layers).chain(defaults.map(|node| (document, node)));
    for (document, node) in shared {
        collect(document, node, &Surroundings::Parameter, snippets);
        site.parameters
            .extend(values(node, document, &declared, names, &mut desk.faults));
    }
    let mut converted: HashMap<u32, BTreeMap<String, serde_json::Value>> = HashMap::new();
    for (host, nodes) in fleet.hosts.iter_mut().zip(&fleet.parameters) {
        host.parameters.clone_from(&site.parameters);
        for node in nodes {
            let values = converted.entry(node.mark.start).or_insert_with(|| {
                collect(document, node, &Surroundings::Parameter, snippets);
                values(node, document, &declared, names, &mut desk.faults)
            });
            let pairs = values.iter();
            host.parameters
                .extend(pairs.map(|(name, value)| (name.clone(), value.clone())));
        }
    }
}

/// Every name in a selector is a group or a host.
fn chosen(site: &Site, desk: &mut Desk<'_>) {
    for (selector, spot, text) in std::mem::take(&mut desk.selectors) {
        if let Some((name, help)) = selector.unknown(site) {
            let mut spot = spot;
            let written = text.chars().count();
            let quote = usize::from(spot.length == written + 2);
            if let Some(at) = text.find(&name)
                && spot.length == written + 2 * quote
            {
                spot.column += quote + text[..at].chars().count();
                spot.length = name.chars().count();
            }
            desk.fault(
                Fault::new(spot, format!("`{name}` is no group of the inventory"))
                    .help(help)
                    .help(format!("a group without hosts is `{name}: {{hosts: []}}`")),
            );
        }
    }
}

/// Parameters without a default have a value on every host that gets the role.
fn required(site: &Site, assignments: &[Assignment], faults: &mut Vec<Fault>) {
    for assignment in assignments {
        let Some(role) = site.roles.get(&assignment.role) else {
            continue;
        };
        let needed = role.parameters.iter();
        let needed: Vec<_> = needed
            .filter(|(_, parameter)| parameter.default.is_none())
            .collect();
        if needed.is_empty() {
            continue;
        }
        for (name, parameter) in needed {
            let without: Vec<&str> = site
                .hosts
                .iter()
                .filter(|host| !host.parameters.contains_key(name))
                .filter(|host| assignment.on.picks(site, &host.name))
                .map(|host| host.name.as_str())
                .collect();
            let Some(first) = without.first() else {
                continue;
            };
            let more = match without.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let summary = match &parameter.summary {
                Some(summary) => format!(": {summary}"),
                None => String::new(),
            };
            faults.push(
                Fault::new(
                    assignment.spot.clone(),
                    format!(
                        "the role `{}` needs the parameter `{name}`, which has no value on {first}{more}",
                        role.name
                    ),
                )
                .help(format!(
                    "add `parameters: {{{name}: …}}` to the profile or the inventory{summary}"
                )),
            );
        }
    }
}

fn known(
    site: &Site,
    opened: &[OpenedRole],
    assignments: &[Assignment],
    options: &Options<'_>,
) -> Known {
    let assigned = |role: &&OpenedRole| {
        assignments
            .iter()
            .any(|assignment| assignment.role == role.name)
    };
    Known {
        parameters: opened
            .iter()
            .map(|role| (role.name.clone(), role.parameter_names()))
            .collect(),
        groups: site.groups.keys().map(|name| snake(name)).collect(),
        hosts: site.hosts.iter().map(|host| host.name.clone()).collect(),
        secrets: site.secrets.iter().cloned().collect(),
        late: opened
            .iter()
            .filter(assigned)
            .flat_map(OpenedRole::late_names)
            .collect(),
        facts: options.facts.iter().cloned().collect(),
        cluster: site.cluster.is_some(),
        versions: site.versions.keys().cloned().collect(),
    }
}

fn compile(
    snippets: &[Snippet<'_>],
    opened: &[OpenedRole],
    assignments: &[Assignment],
    known: &Known,
    faults: &mut Vec<Fault>,
) -> Templates {
    let mut templates = Templates::default();
    for role in opened {
        if !assignments
            .iter()
            .any(|assignment| assignment.role == role.name)
        {
            continue;
        }
        for (file, source) in &role.templates {
            names::check_file(&role.name, file, source, known, &mut templates, faults);
        }
    }
    for snippet in snippets {
        names::check(snippet, known, &mut templates, faults);
    }
    templates
}

/// Late values and secrets share the vault, so each name is given once.
fn late_once(site: &Site, desk: &mut Desk<'_>) {
    let mut seen: BTreeMap<&str, &Role> = BTreeMap::new();
    for role in site.roles.values() {
        for (name, late) in &role.late {
            if let Some(other) = seen.insert(name, role) {
                desk.fault(
                    Fault::new(
                        late.spot.clone(),
                        format!("the role `{}` has a late value `{name}` too", other.name),
                    )
                    .related(other.late[name].spot.clone(), "the other one")
                    .help("every role can use it: keep one"),
                );
            } else if site.secrets.contains(name) {
                desk.fault(
                    Fault::new(
                        late.spot.clone(),
                        format!("the inventory has a secret `{name}` too"),
                    )
                    .help("give one of them another name"),
                );
            }
        }
    }
}

/// SHA-256 over the names and contents of all files, the names as they are within the site, so
/// that it does not matter from where the command was started.
fn digest(sources: &[Source]) -> String {
    let mut files: Vec<(String, &str)> = sources
        .iter()
        .map(|source| (name_in_site(&source.place), source.text.as_ref()))
        .collect();
    files.sort();
    let mut hasher = Sha256::new();
    for (name, text) in files {
        hasher.update(format!("{name}\0{}\0", text.len()));
        hasher.update(text);
    }
    hex::encode(hasher.finalize())
}

pub(super) fn name_in_site(place: &Place) -> String {
    match place {
        Place::Embedded(path) => path.clone(),
        Place::File(path) => {
            let parts: Vec<String> = path
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect();
            let start = parts
                .iter()
                .rposition(|part| part == "roles" || part == "profiles")
                .unwrap_or(parts.len().saturating_sub(1));
            parts[start..].join("/")
        }
    }
}
