// Which constraints the release knows.

fn main() {
    let version = std::env::var("ENGINE_VERSION").unwrap_or_default();
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    println!("cargo:rustc-check-cfg=cfg(has_stack, has_limit)");
    println!("cargo:rerun-if-env-changed=ENGINE_VERSION");
    if numbers >= vec![0, 13, 0] {
        println!("cargo:rustc-cfg=has_stack");
    }
    if numbers >= vec![0, 13, 3] {
        println!("cargo:rustc-cfg=has_limit");
    }
}
