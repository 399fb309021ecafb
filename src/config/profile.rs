//! The profile: layers that extend each other, joined to one.

use std::collections::HashMap;

use super::desk::{Desk, Opened};
use super::fault::Fault;
use super::file_profile::ProfileFile;
use super::library::Library;
use super::nearest::suggestion;
use super::node::{Document, Node};
use super::role::selector_at;
use super::schema::FileKind;
use super::selector::Selector;
use super::site::Assignment;
use super::source::Spot;

/// One profile file of the chain.
pub(super) struct Layer {
    pub name: String,
    pub opened: Opened<ProfileFile>,
}

/// The profile's files, what is extended before what extends it.
pub(super) fn layers(name: &str, spot: Spot, library: &Library, desk: &mut Desk<'_>) -> Vec<Layer> {
    let mut walk = Walk {
        library,
        way: Vec::new(),
        layers: Vec::new(),
    };
    walk.visit(name, spot, desk);
    walk.layers
}

struct Walk<'a> {
    library: &'a Library,
    /// The profiles that are being read, outermost first.
    way: Vec<String>,
    layers: Vec<Layer>,
}

impl Walk<'_> {
    fn visit(&mut self, name: &str, spot: Spot, desk: &mut Desk<'_>) {
        if let Some(start) = self.way.iter().position(|other| other == name) {
            let mut way: Vec<String> = self.way[start..]
                .iter()
                .map(|name| format!("`{name}`"))
                .collect();
            way.push(format!("`{name}`"));
            desk.fault(
                Fault::new(
                    spot,
                    format!(
                        "the profiles extend each other in a circle: {}",
                        way.join(" → ")
                    ),
                )
                .help("remove one of the `extends`"),
            );
            return;
        }
        if self.layers.iter().any(|layer| layer.name == name) {
            return;
        }
        let Some(found) = self.library.profile(name) else {
            let names = self.library.profile_names();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            desk.fault(
                Fault::new(spot, format!("there is no profile `{name}`")).help(suggestion(
                    name,
                    "profiles",
                    names.iter().copied(),
                )),
            );
            return;
        };
        let Some(opened) = desk.open::<ProfileFile>(found, FileKind::Profile, |_| {}) else {
            return;
        };
        self.way.push(name.to_owned());
        let extends = opened.document.root.get("extends");
        for node in extends.map(Node::one_or_many).unwrap_or_default() {
            if let Some(text) = node.text() {
                self.visit(text, opened.document.spot(node.mark), desk);
            }
        }
        self.way.pop();
        self.layers.push(Layer {
            name: name.to_owned(),
            opened,
        });
    }
}

/// Every assignment of every layer, and which are in force: those of the last layer that has
/// any.
pub(super) fn assignments(
    layers: &[Layer],
    desk: &mut Desk<'_>,
) -> (Vec<Assignment>, Vec<(String, Spot)>) {
    let mut named = Vec::new();
    let mut in_force = Vec::new();
    let selectors = desk.selectors.len();
    for layer in layers {
        let document = &layer.opened.document;
        let listed = layer
            .opened
            .file
            .as_ref()
            .and_then(|file| file.roles.as_ref());
        let Some(listed) = listed else { continue };
        in_force.clear();
        desk.selectors.truncate(selectors);
        let mut seen: HashMap<&str, Spot> = HashMap::new();
        for (assignment, node) in listed.iter().zip(layer.opened.kept("roles")) {
            let role = node.get("role").unwrap_or(node);
            let spot = document.spot(role.mark);
            named.push((assignment.role.clone(), spot.clone()));
            if let Some(first) = seen.insert(&assignment.role, spot.clone()) {
                desk.fault(
                    Fault::new(
                        spot.clone(),
                        format!("the role `{}` is assigned twice", assignment.role),
                    )
                    .related(first, "first here")
                    .help("assign it once, with all its hosts: `on: [a, b]`"),
                );
                continue;
            }
            let on = match (&assignment.on, node.get("on")) {
                (Some(on), Some(node)) => selector_at(on, document, node, desk),
                _ => Selector::all(),
            };
            in_force.push(Assignment {
                role: assignment.role.clone(),
                on,
                spot,
            });
        }
    }
    (in_force, named)
}

/// The profile's title: the nearest one.
pub(super) fn title(layers: &[Layer]) -> Option<String> {
    layers
        .iter()
        .rev()
        .find_map(|layer| layer.opened.file.as_ref()?.title.clone())
}

/// Where the layer's `parameters` stand.
pub(super) fn parameters(layers: &[Layer]) -> impl Iterator<Item = (&Document, &Node)> {
    layers.iter().filter_map(|layer| {
        let document = &layer.opened.document;
        Some((document, document.root.get("parameters")?))
    })
}
