"""The PostgreSQL server under Tryton: the one that is named or running, or one of our own in the folder."""

import os
import pathlib
import shutil
import socket
import subprocess
import urllib.parse

# The same default as the project's other tests.
DEFAULT = "postgres://postgres@127.0.0.1:5432/postgres"
MARK = "orderway tryton"


class Failed(Exception):
    """What went wrong, and what to do about it."""


class Postgres:
    """One server, spoken to by PostgreSQL's own programs."""

    def __init__(self, folder, own, port):
        self.data = folder / "postgres"
        self.port = port
        self.own = own or self.data.exists()
        named = os.environ.get("ORDERWAY_TEST_POSTGRES")
        self.url = urllib.parse.urlsplit(named or DEFAULT)
        if not self.own and not named and not listens(self.url.hostname, self.url.port or 5432):
            self.own = True
        if self.own:
            self.url = urllib.parse.urlsplit(f"postgres://postgres@127.0.0.1:{port}/postgres")
        self.programs = programs()

    def program(self, name):
        """The path of one of PostgreSQL's programs."""
        found = self.programs / name
        if not found.is_file():
            raise Failed(f"{name} is missing in {self.programs}: install postgresql (Debian: apt-get install postgresql)")
        return str(found)

    def start(self):
        """Starts our own server where no other is used; otherwise looks whether the other answers."""
        if self.own and not listens("127.0.0.1", self.port):
            self.start_own()
        try:
            self.sql("SELECT 1")
        except Failed as error:
            raise Failed(
                f"PostgreSQL at {self.url.hostname}:{self.url.port or 5432} refuses: {error}\n"
                "Name another in ORDERWAY_TEST_POSTGRES (postgres://user:password@host:port/postgres; the user must be "
                "allowed to create databases), or take a server of its own by --own-postgres.") from error

    def start_own(self):
        """Makes the cluster if need be, and starts it; PostgreSQL refuses to run as root."""
        if not (self.data / "PG_VERSION").exists():
            self.data.mkdir(parents=True, exist_ok=True)
            if os.getuid() == 0:
                shutil.chown(self.data, "postgres")
            self.as_postgres([
                self.program("initdb"), "--pgdata", str(self.data), "--username", "postgres", "--auth", "trust",
                "--encoding", "UTF8", "--no-locale", "--no-sync"])
        options = (f"-p {self.port} -k {self.data} -c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off "
                   "-c synchronous_commit=off")
        self.as_postgres([
            self.program("pg_ctl"), "--pgdata", str(self.data), "--log", str(self.data / "log"), "--wait",
            "--options", options, "start"])

    def stop_own(self):
        """Stops our own server; says whether there was one."""
        if not (self.data / "postmaster.pid").exists():
            return False
        self.as_postgres([self.program("pg_ctl"), "--pgdata", str(self.data), "--mode", "fast", "stop"])
        return True

    def as_postgres(self, command):
        """Runs a program that root may not run; the folder must let that user through."""
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        run(command, cwd="/", hint=f"look at {self.data / 'log'}; the user postgres must be able to enter {self.data}")

    def environment(self):
        """What PostgreSQL's programs read."""
        parts = {
            "PGHOST": self.url.hostname, "PGPORT": str(self.url.port or 5432),
            "PGUSER": urllib.parse.unquote(self.url.username or "postgres"), "PGCONNECT_TIMEOUT": "10"}
        if self.url.password:
            parts["PGPASSWORD"] = urllib.parse.unquote(self.url.password)
        return os.environ | parts

    def tryton_uri(self):
        """The server as Tryton's configuration names it."""
        return f"postgresql://{self.url.netloc}/"

    def sql(self, text, database="postgres"):
        """Runs a statement; what it prints."""
        command = [self.program("psql"), "--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align",
                   "--set", "ON_ERROR_STOP=1", "--dbname", database, "--command", text]
        return run(command, env=self.environment()).strip()

    def mark(self, database):
        """What we wrote on a database of ours; None if there is no such database."""
        name = literal(database)
        told = self.sql("SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database "
                        f"WHERE datname = {name}")
        exists = self.sql(f"SELECT 1 FROM pg_database WHERE datname = {name}")
        return told if exists else None

    def create(self, database):
        """Makes an empty database in the place of one of ours."""
        self.drop(database)
        self.sql(f'CREATE DATABASE "{database}" TEMPLATE template0 ENCODING \'UTF8\'')
        self.write_mark(database, "unfinished")

    def write_mark(self, database, text):
        """Writes on a database that it is ours, and what is in it."""
        self.sql(f'COMMENT ON DATABASE "{database}" IS {literal(f"{MARK}: {text}")}')

    def drop(self, database):
        """Removes a database of ours, and never another."""
        mark = self.mark(database)
        if mark is None:
            return False
        if not mark.startswith(MARK):
            raise Failed(f"a database {database} is there and not ours: remove it, or set ORDERWAY_TRYTON_PREFIX")
        self.sql(f'DROP DATABASE "{database}" WITH (FORCE)')
        return True

    def dump(self, database, path):
        """Writes a database to a file, whole or not at all."""
        part = path.with_suffix(".part")
        run([self.program("pg_dump"), "--format", "custom", "--no-owner", "--file", str(part), database],
            env=self.environment())
        part.rename(path)

    def restore(self, path, database):
        """Reads a database from a file."""
        self.create(database)
        run([self.program("pg_restore"), "--no-owner", "--exit-on-error", "--dbname", database, str(path)],
            env=self.environment(), hint=f"if {path} is damaged: remove it, and run this again")

    def push_ids(self, database, start):
        """Lets ids and document numbers of this database go on `start` later."""
        if start:
            self.sql("SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, "
                     f"coalesce(last_value, 0) + {start}) FROM pg_sequences", database)


def programs():
    """Where the programs of the newest PostgreSQL are."""
    in_path = [pathlib.Path(found).parent for found in [shutil.which("initdb")] if found]
    installed = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    for folder in in_path + installed[::-1]:
        if (folder / "psql").is_file():
            return folder
    raise Failed("PostgreSQL's programs are missing: install postgresql (Debian: apt-get install postgresql)")


def listens(host, port):
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def literal(text):
    """A string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def run(command, hint=None, **options):
    """Runs a program; its output. A failure tells the end of what it said."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode:
        told = "\n".join(done.stdout.splitlines()[-20:])
        name = pathlib.Path(command[0]).name
        raise Failed(f"{name} failed ({done.returncode}):\n{told}" + (f"\n{hint}" if hint else ""))
    return done.stdout
