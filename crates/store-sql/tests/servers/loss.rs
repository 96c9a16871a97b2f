//! Connections that break off.

use steeple_clock::Clock;
use steeple_store::units::CreateJoinToken;
use steeple_store::{Backend, ErrorClass, JoinToken, StoreError, Unit, WriteTx};
use steeple_store_sql::{SqlBackend, SqlConfig};

use crate::{Server, on_servers};

on_servers! {
    connections_that_the_server_ended_are_replaced,
    write_whose_connection_breaks_off_is_worth_repeating_and_leaves_nothing,
    full_pool_makes_callers_wait,
}

fn add(name: &str) -> CreateJoinToken {
    let token = JoinToken { token: name.to_owned(), expires_at: jiff::Timestamp::UNIX_EPOCH };
    CreateJoinToken { token, entry: None }
}

fn write(backend: &SqlBackend, name: &str) -> Result<(), StoreError> {
    backend.write(&mut |tx| add(name).run(tx)).map(drop)
}

fn tokens(server: Server, database: &str) -> String {
    server.sql(database, "SELECT token FROM join_tokens ORDER BY id").replace('\n', " ")
}

fn connections_that_the_server_ended_are_replaced(server: Server) {
    let database = server.create_database();
    let backend = server.open(&database).unwrap();
    write(&backend, "a").unwrap();
    server.disconnect(&database);
    write(&backend, "b").unwrap();
    server.disconnect(&database);
    backend.read(&mut |tx| tx.join_token("a").map(drop)).unwrap();
    assert_eq!(tokens(server, &database), "a b");
}

fn write_whose_connection_breaks_off_is_worth_repeating_and_leaves_nothing(server: Server) {
    let database = server.create_database();
    let backend = server.open(&database).unwrap();
    let mut broken = |tx: &mut dyn WriteTx| {
        add("lost").run(tx)?;
        server.disconnect(&database);
        add("never").run(tx)
    };
    let error = backend.write(&mut broken).unwrap_err();
    assert_eq!((error.class, error.transient), (ErrorClass::Unavailable, true), "{error}");
    assert!(error.message.contains("was lost"), "{error}");
    assert_eq!(tokens(server, &database), "");
    // At the commit nobody can tell, so nobody repeats it.
    let mut unknown = |tx: &mut dyn WriteTx| {
        add("unknown").run(tx)?;
        server.disconnect(&database);
        Ok(())
    };
    let error = backend.write(&mut unknown).unwrap_err();
    assert_eq!((error.class, error.transient), (ErrorClass::Unavailable, false), "{error}");
    assert!(error.message.contains("it may have been written"), "{error}");
    write(&backend, "kept").unwrap();
    assert_eq!(tokens(server, &database), "kept");
}

fn full_pool_makes_callers_wait(server: Server) {
    let database = server.create_database();
    let config = SqlConfig { max_open_conns: Some(1), ..server.config(&database) };
    let backend = &SqlBackend::open(&config, Clock::system()).unwrap();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            scope.spawn(move || write(backend, name).unwrap());
        }
    });
    assert_eq!(tokens(server, &database).len(), "a b c".len());
}
