//! Roles, profiles and inventories are embedded in the binary: a file that is added to them has
//! to build it anew, which the macro that embeds them cannot tell by itself.

fn main() {
    for folder in ["roles", "profiles", "inventories"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
