//! Rules of the house that the compiler cannot hold: layers, file lengths, who prints, and that
//! everything shipped is sound.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

mod shipped;

use ra_deploy::config::Style;
use ra_deploy::resource;
use shipped::load;

/// Every room of the library, lowest first: a room names only rooms above it in this list.
///
/// `plan` stands below `check` because checks are run in the scene that the plan lays out for a
/// host. `artifact` stands beside the links, which send what it fetched but do not know it.
/// `report` stands above `engine` and yet knows only its events; `lab` plays machines and knows
/// no other room; `cli` puts all together.
const ROOMS: &[&str] = &[
    "model", "event", "probe", "config", "fact", "resource", "plan", "check", "link", "redfish",
    "artifact", "engine", "report", "lab", "cli",
];

/// The longest file that can still be read in one sitting, in lines.
const LONGEST: usize = 500;

/// Files that were longer when the rule came, with the lines that they had: they may only shrink.
const LONGER: &[(&str, usize)] = &[("src/link/script/read.rs", 525)];

/// Rooms that speak to people; only they print.
const SPEAKERS: &[&str] = &["report", "cli"];

#[test]
fn rooms_name_only_rooms_below_them() {
    let mut faults = String::new();
    for file in sources() {
        let own = place(&file.room);
        for (line, room) in file.rooms_named() {
            if place(&room) > own {
                let _ = writeln!(
                    faults,
                    "{}:{line}: {} names {room}, which stands above it",
                    file.path, file.room
                );
            }
        }
    }
    assert!(faults.is_empty(), "layers are crossed:\n{faults}");
}

#[test]
fn every_room_has_its_place() {
    let found: BTreeSet<String> = sources().into_iter().map(|file| file.room).collect();
    let listed: BTreeSet<String> = ROOMS.iter().map(|&room| room.to_owned()).collect();
    assert_eq!(found, listed, "found in src/ and listed in ROOMS");
}

#[test]
fn paths_to_other_rooms_are_found_however_they_are_written() {
    let named = |text: &str| {
        let file = Source::of("src/plan/scene/mod.rs", text.to_owned());
        file.rooms_named()
    };
    let one = |line, room: &str| vec![(line, room.to_owned())];
    assert_eq!(named("use crate::lab::Machine;"), one(1, "lab"));
    assert_eq!(named("\n    crate::lab::up();"), one(2, "lab"));
    assert_eq!(named("pub(in crate::plan) fn f() {}"), one(1, "plan"));
    assert_eq!(
        named("use crate::{\n    event::{lab, Run},\n    lab,\n};"),
        [(1, "event".to_owned()), (1, "lab".to_owned())]
    );
    assert_eq!(named("use super::super::lab;"), one(1, "lab"));
    assert_eq!(named("use super::lab;"), []);
    assert_eq!(
        named("mod tests {\n    use super::super::lab;\n}\nuse super::super::cli;"),
        one(4, "cli")
    );
    assert_eq!(named("/// As in [`crate::lab`]."), []);
    assert_eq!(named("use some_crate::lab;"), []);
}

#[test]
fn no_file_is_longer_than_a_sitting() {
    let mut faults = String::new();
    for file in sources() {
        let lines = file.text.lines().count();
        let allowed = LONGER
            .iter()
            .find(|(path, _)| *path == file.path)
            .map_or(LONGEST, |(_, lines)| *lines);
        if lines > allowed {
            let _ = writeln!(faults, "{}: {lines} lines, {allowed} allowed", file.path);
        }
    }
    assert!(faults.is_empty(), "too long:\n{faults}");
}

#[test]
fn only_those_who_speak_to_people_print() {
    let sources = sources();
    let tests: Vec<String> = sources.iter().flat_map(Source::test_files).collect();
    let mut faults = String::new();
    for file in &sources {
        let is_test = tests.iter().any(|test| {
            file.path == format!("{test}.rs") || file.path.starts_with(&format!("{test}/"))
        });
        if SPEAKERS.contains(&file.room.as_str()) || is_test {
            continue;
        }
        for (line, print) in file.prints() {
            let _ = writeln!(faults, "{}:{line}: {print}", file.path);
        }
    }
    assert!(faults.is_empty(), "printed where nobody should:\n{faults}");
}

#[test]
fn prints_are_found_outside_tests_only() {
    let file = Source::of(
        "src/plan/mod.rs",
        "fn f() {\n    println!();\n    sprint!();\n}\n// dbg!(1)\n\
         #[cfg(test)]\n#[path = \"x.rs\"]\nmod live;\n\
         #[cfg(test)]\nmod tests {\n    fn g() {\n        dbg!(1);\n    }\n}\nfn h() {\n    std::io::stderr();\n}\n"
            .to_owned(),
    );
    assert_eq!(file.prints(), [(2, "println!"), (16, "io::stderr()")]);
    assert_eq!(file.test_files(), ["src/plan/live"]);
    let file = Source::of("src/plan/deep.rs", "#[cfg(test)]\nmod tests;\n".to_owned());
    assert_eq!(file.test_files(), ["src/plan/deep/tests"]);
}

#[test]
fn shipped_inventories_load_without_faults_or_warnings() {
    let names: Vec<String> = yaml_below(&home().join("inventories"))
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    for expected in ["lab.yaml", "lab-small.yaml"] {
        assert!(names.iter().any(|name| name == expected), "no {expected}");
    }
    for name in names {
        let site = load(&home().join("inventories").join(&name));
        assert!(!site.hosts.is_empty(), "{name} has no hosts");
        assert!(!site.roles.is_empty(), "{name} has no roles");
        let warnings = site.warnings.render_warnings(Style::Plain);
        assert!(warnings.is_empty(), "{name}:\n{warnings}");
    }
}

#[test]
fn shipped_profiles_load_and_use_every_shipped_role() {
    let folder = home().join("profiles");
    let lab = fs::read_to_string(home().join("inventories/lab.yaml")).expect("the lab's inventory");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut used = BTreeSet::new();
    for path in yaml_below(&folder) {
        let relative = path
            .strip_prefix(&folder)
            .expect("a path below")
            .with_extension("");
        let name = relative.to_string_lossy();
        // Far from the files in the tree: the profile comes out of the library.
        let inventory = elsewhere.path().join("site.yaml");
        let text = lab.replacen("profile: lab\n", &format!("profile: {name}\n"), 1);
        assert!(
            text.contains(&format!("profile: {name}\n")),
            "the lab names its profile"
        );
        fs::write(&inventory, text).expect("a file");
        let site = load(&inventory);
        assert!(
            site.profile
                .is_some_and(|profile| !profile.requirements.is_empty()),
            "{name} requires nothing"
        );
        used.extend(site.roles.into_keys());
    }
    let shipped: BTreeSet<String> = fs::read_dir(home().join("roles"))
        .expect("roles")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    assert_eq!(used, shipped, "roles in use and roles in roles/");
}

#[test]
fn every_kind_has_a_worked_example() {
    for kind in resource::KINDS {
        let example: serde_json::Value = serde_saphyr::from_str(kind.example)
            .unwrap_or_else(|error| panic!("the example of {}: {error}", kind.name));
        assert!(
            example.as_object().is_some_and(|fields| !fields.is_empty()),
            "the example of {} has no parameters: {example}",
            kind.name
        );
        assert!(!kind.summary.is_empty(), "{} has no summary", kind.name);
    }
}

/// One file below `src/`.
struct Source {
    /// From the project's folder: `src/plan/mod.rs`.
    path: String,
    /// The module of the library it belongs to.
    room: String,
    text: String,
}

impl Source {
    fn of(path: &str, text: String) -> Self {
        let room = path.split('/').nth(1).unwrap_or_default();
        Self {
            path: path.to_owned(),
            room: room.trim_end_matches(".rs").to_owned(),
            text,
        }
    }

    /// The module's own path, outermost first: `["plan", "scene"]`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        path.trim_end_matches("/mod").split('/').collect()
    }

    /// The lines of code with their numbers, and whether they stand in an inline module. Comments
    /// are left out; rustfmt has the ends of modules at the beginning of a line.
    fn code(&self) -> impl Iterator<Item = (usize, &str, Inside)> {
        let mut inside = Inside::File;
        let mut marked = false;
        self.text
            .lines()
            .enumerate()
            .filter_map(move |(index, line)| {
                let trimmed = line.trim_start();
                if trimmed.starts_with("//") {
                    return None;
                }
                if line == "#[cfg(test)]" {
                    marked = true;
                } else if !line.starts_with("#[") {
                    if line.starts_with('}') {
                        inside = Inside::File;
                    } else if is_module(line) && line.ends_with('{') {
                        inside = if marked {
                            Inside::Tests
                        } else {
                            Inside::Module
                        };
                    }
                    marked = false;
                }
                Some((index + 1, line, inside))
            })
    }

    /// Rooms that the code names, with the line in which the path begins.
    fn rooms_named(&self) -> Vec<(usize, String)> {
        let lines: Vec<(usize, &str, Inside)> = self.code().collect();
        let mut named = Vec::new();
        for (index, &(number, line, inside)) in lines.iter().enumerate() {
            let depth = self.module().len() + usize::from(inside != Inside::File);
            let root = "super::".repeat(depth);
            for start in ["crate", root.trim_end_matches("::")] {
                for (at, _) in line.match_indices(start) {
                    let before = line[..at].chars().next_back();
                    if before.is_some_and(|sign| is_word(sign) || sign == ':') {
                        continue;
                    }
                    let Some(rest) = line[at + start.len()..].strip_prefix("::") else {
                        continue;
                    };
                    let mut path = rest.to_owned();
                    for (_, line, _) in &lines[index + 1..] {
                        path.push('\n');
                        path.push_str(line);
                        if line.contains(';') {
                            break;
                        }
                    }
                    named.extend(first_names(&path).into_iter().map(|room| (number, room)));
                }
            }
        }
        named
    }

    /// What prints outside of tests.
    fn prints(&self) -> Vec<(usize, &'static str)> {
        let mut found = Vec::new();
        for (number, line, inside) in self.code() {
            if inside == Inside::Tests {
                continue;
            }
            for print in [
                "println!",
                "eprintln!",
                "print!",
                "eprint!",
                "dbg!",
                "io::stdout()",
                "io::stderr()",
            ] {
                let says = line
                    .match_indices(print)
                    .any(|(at, _)| !line[..at].chars().next_back().is_some_and(is_word));
                if says {
                    found.push((number, print));
                }
            }
        }
        found
    }

    /// Modules in files of their own that are built for tests only: paths without `.rs`.
    fn test_files(&self) -> Vec<String> {
        let mut folder = self.module();
        let mut marked = false;
        let mut found = Vec::new();
        folder.insert(0, "src");
        for line in self.text.lines() {
            if line == "#[cfg(test)]" {
                marked = true;
            } else if !line.starts_with("#[") {
                if marked && is_module(line) && line.ends_with(';') {
                    let name = line.rsplit(' ').next().unwrap_or_default();
                    found.push(format!(
                        "{}/{}",
                        folder.join("/"),
                        name.trim_end_matches(';')
                    ));
                }
                marked = false;
            }
        }
        found
    }
}

/// Where a line of code stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    File,
    Module,
    Tests,
}

/// The names that a path's rest begins with: one, or those of a list in braces.
fn first_names(path: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|&sign| is_word(sign))
            .collect()
    };
    let Some(list) = path.strip_prefix('{') else {
        return Some(word(path))
            .filter(|name| !name.is_empty())
            .into_iter()
            .collect();
    };
    let mut names = Vec::new();
    let mut depth = 1;
    let mut start = Some(0);
    for (at, sign) in list.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => start = Some(at + 1),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if let Some(begin) =
            start.filter(|&begin| begin <= at && !sign.is_whitespace() && sign != ',')
        {
            names.push(word(&list[begin..]));
            start = None;
        }
    }
    names
}

fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

fn is_module(line: &str) -> bool {
    line.starts_with("mod ") || (line.starts_with("pub") && line.contains(" mod "))
}

/// How high a room stands; names that are no room stand lowest.
fn place(room: &str) -> usize {
    ROOMS
        .iter()
        .position(|&listed| listed == room)
        .map_or(0, |position| position + 1)
}

fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The library's files, except its list of rooms and the program that calls it.
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    walk(&home().join("src"), "rs", &mut found);
    found
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a readable file");
            let relative = path.strip_prefix(home()).expect("a path below");
            Source::of(&relative.to_string_lossy(), text)
        })
        .filter(|file| !["src/lib.rs", "src/main.rs"].contains(&file.path.as_str()))
        .collect()
}

fn yaml_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(folder, "yaml", &mut found);
    found
}

/// Files with that extension, in order. Folders that begin with a dot are a lab's.
fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            walk(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}
