//! Runs webhook vectors: `cargo run -p tests --bin webhook_vectors -- FILE`.
//!
//! Prints each difference with its id. Those of unconfirmed or disputed vectors are listed and not
//! counted. The last line is `N passed, N failed`; the exit code is 1 if any failed, 2 if the file
//! cannot be read.

use std::process::ExitCode;

use tests::vectors::webhook::Vector;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut paths = std::env::args_os().skip(1);
    let (Some(path), None) = (paths.next(), paths.next()) else {
        eprintln!("usage: webhook_vectors FILE");
        return ExitCode::from(2);
    };
    let vectors = std::fs::read_to_string(&path)
        .map_err(|error| error.to_string())
        .and_then(|text| Vector::parse(&text).map_err(|error| error.to_string()));
    let vectors = match vectors {
        Ok(vectors) => vectors,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            return ExitCode::from(2);
        }
    };

    let (mut passed, mut failed) = (0_u32, 0_u32);
    for vector in &vectors {
        let note = match (vector.disputed(), vector.confirmed) {
            (true, _) => "disputed, not counted: ",
            (false, true) => "",
            (false, false) => "unconfirmed, not counted: ",
        };
        match vector.difference().await {
            Some(difference) => {
                println!("{}: {note}{difference}", vector.id);
                failed += u32::from(note.is_empty());
            }
            None => passed += u32::from(note.is_empty()),
        }
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}
