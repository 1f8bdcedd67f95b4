# Everything a developer or the CI runs. `make` alone lists the targets.

CARGO ?= cargo

# None of the targets is a file.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build, then show what the relay does in some thirty lines: an upload, an outage, a kill (ALL=1: and a line for each recorded object)
	$(CARGO) build --workspace --bins --examples
	@$${CARGO_TARGET_DIR:-target}/debug/examples/demo

run: ## the server in spooled mode until it is stopped; a stand-in plays MDSS unless APIENDPOINT, APIKEY, STORAGECLIENTID are set
	@$(CARGO) build --workspace --bins
	@sh .ci/serve

test: check ## everything: the checks, every test, and the demo
	$(CARGO) test --workspace
	@sh .ci/kubernetes --pod
	@$(MAKE) --no-print-directory demo

check: fmt clippy doc layers ## formatting, lints, documentation, the layers between the crates, scripts
	@sh .ci/shellcheck --if-there
	@sh .ci/cfn-lint --if-there
	@sh .ci/promtool --if-there
	@sh .ci/dashboard --if-there
	@sh .ci/azure --if-there
	@sh .ci/google --if-there
	@sh .ci/alibaba --if-there
	@sh .ci/tencent --if-there
	@sh .ci/huawei --if-there
	@sh .ci/containers --if-there
	@sh .ci/kubernetes --if-there
	@sh .ci/terraform --if-there

fmt:
	@$(CARGO) fmt --version > /dev/null 2>&1 || { echo "make: rustfmt is missing; 'rustup component add rustfmt' installs it" >&2; exit 1; }
	$(CARGO) fmt --all --check

clippy:
	@$(CARGO) clippy --version > /dev/null 2>&1 || { echo "make: clippy is missing; 'rustup component add clippy' installs it" >&2; exit 1; }
	$(CARGO) clippy --workspace --all-targets -- --deny warnings

doc:
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --quiet

layers: ## which crate may use which
	@sh .ci/layers

shellcheck: ## lints of the scripts (make check does it too, if shellcheck is there)
	@sh .ci/shellcheck

cfn-lint: ## lints of the CloudFormation template (make check does it too, if cfn-lint is there)
	@sh .ci/cfn-lint

promtool: ## checks and tests of the alert rules (make check does it too, if promtool is there)
	@sh .ci/promtool

dashboard: ## the Grafana dashboard against Grafana's models (make check does it too, if they are there)
	@sh .ci/dashboard

servers: ## take nginx, Caddy and Prometheus out of Debian's packages into target/, by which tests try the examples; without them these tests are skipped
	@sh .ci/servers

azure-check: ## Azure's templates and Terraform against Azure's types and each other (make check does it too, if the parsers are there)
	@sh .ci/azure

huawei-check: ## Huawei Cloud's Terraform against the provider's arguments, and what the scripts call against its SDKs (make check does it too, if they are there)
	@sh .ci/huawei

terraform-check: ## the form of the Terraform files (make check does it too, if terraform is there)
	@sh .ci/terraform

google-check: ## Google's Terraform against the provider's arguments (make check does it too, if the parser is there)
	@sh .ci/google

alibaba-check: ## Alibaba's Terraform and s.yaml against the provider's arguments, Serverless Devs' schema and the SDKs' models (make check does it too, if the parsers are there)
	@sh .ci/alibaba

tencent-check: ## Tencent's Terraform against the provider's arguments, and what its scripts hand to tccli against Tencent's models (make check does it too, if both are there)
	@sh .ci/tencent

gcloud-options: ## write down anew which options the real gcloud takes, where it is installed; read the diff
	python3 deploy/google/tests/cli-options.py
	@git --no-pager diff --stat -- deploy/google/tests/cli-options.json || true

# What is measured is what is shipped, where it can be built.
shipped = MDSS_RELAY_OCI_FN="$$(test -x dist/amd64/mdss-relay-oci-fn && echo $(CURDIR)/dist/amd64/mdss-relay-oci-fn)" \
	MDSS_RELAY_HTTP="$$(test -x dist/amd64/mdss-relay-http && echo $(CURDIR)/dist/amd64/mdss-relay-http)"

bench: ## figures against the floors (nginx, function, server, spool), how cost grows, against the same function in Python, and what the ledger, a listing and a comparison of a million objects cost
	@test -x target/bench-python/bin/fdk || python3 -m venv target/bench-python && target/bench-python/bin/pip install --quiet fdk \
		|| echo "make: no Python with pip here; the comparison with Python is skipped" >&2
	@$(MAKE) --no-print-directory dist BINARIES="mdss-relay-oci-fn mdss-relay-http"
	$(CARGO) build --profile bench --package mdss-relay-oci-fn --examples --bins
	$(CARGO) bench --quiet --package mdss-relay-core --bench plan
	$(shipped) FDK="$$(test -x target/bench-python/bin/fdk && echo $(CURDIR)/target/bench-python/bin/fdk)" \
		$(CARGO) bench --quiet --package mdss-relay-oci-fn --bench function
	$(shipped) $(CARGO) bench --quiet --package mdss-relay-http --bench ceiling
	$(shipped) $(CARGO) bench --quiet --package mdss-relay-http --bench server
	$(shipped) $(CARGO) bench --quiet --package mdss-relay-http --bench growth
	$(CARGO) bench --quiet --package mdss-relay-spool --bench spool
	$(CARGO) bench --quiet --package mdss-relay-ledger --bench ledger
	$(CARGO) bench --quiet --package mdss-relay-stores --bench list
	$(CARGO) bench --quiet --package mdss-relay-reconcile --bench reconcile
	@test -x "$$(pg_config --bindir 2>/dev/null)/initdb" || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
		|| { echo "make: no PostgreSQL here; its figures are skipped" >&2; exit 0; } && $(CARGO) bench --quiet --package mdss-relay-spool --bench cluster \
		&& $(CARGO) bench --quiet --package mdss-relay-ledger --bench ledger -- postgres 300000

chaos: ## break everything around the relay, and the relay, hundreds of times, and count what was lost, then make cluster; some minutes
	$(CARGO) build --package mdss-relay-http --package mdss-relay-chaos
	@$${CARGO_TARGET_DIR:-target}/debug/mdss-chaos run --jobs 4
	@sh .ci/cluster --if-possible

cluster: ## the same around relays that share a spool in PostgreSQL (make postgres), and around builds that are broken on purpose; some minutes
	@sh .ci/cluster

attack: ## hostile senders against a release build (or RELAY=PATH): memory, log, seats, and whether others get through; some minutes
	$(CARGO) build --release --package mdss-relay-http --package mdss-relay-chaos
	@$${CARGO_TARGET_DIR:-target}/release/mdss-chaos attack $(if $(RELAY),--relay $(RELAY))

ceph: ## a real Ceph gateway in front of the relay (Debian, root: installs it): odd keys, overwrites, kills, and what docs/minio.md says of it
	@sh .ci/ceph

pubsub: ## Google's emulator of Pub/Sub in front of the relay, where it is installed: odd names, both forms, MDSS away, kills; a minute
	@sh .ci/pubsub

bless: ## rewrite the answers in events/ and the tables in the documents; read the diff before you commit it
	BLESS=1 $(CARGO) test --quiet --package mdss-relay --test fixtures
	BLESS=1 $(CARGO) test --quiet --package mdss-relay-core --test documents
	BLESS=1 $(CARGO) test --quiet --package mdss-relay-stores --test settings
	@git --no-pager diff --stat -- events docs || true

# A stable compiler builds with a sanitizer only if RUSTC_BOOTSTRAP lets it pass for a nightly. The first folder takes what is found; the others
# are read: what is committed, and every delivery of events/.
TIME ?= 60
TARGETS ?= plan cloudevents custom_handler faas_batch gate token condition notification

fuzz: ## fuzz each target (TARGETS="…") for TIME seconds (needs cargo-fuzz); what it finds becomes a test
	@$(CARGO) fuzz --version > /dev/null 2>&1 || { echo "make: cargo-fuzz is missing; 'cargo install --locked cargo-fuzz' installs it" >&2; exit 1; }
	@for target in $(TARGETS); do \
		seeds=fuzz/corpus/$$target; \
		[ $$target = plan ] && for folder in events/*/; do seeds="$$seeds $$folder"; done; \
		mkdir -p fuzz/grown/$$target; \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $$target fuzz/grown/$$target $$seeds -- \
			-dict=fuzz/words.dict -max_total_time=$(TIME) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 || exit 1; \
	done

mutants: ## break what the last change touched (or whole files: FILES="…"), one place at a time, and list what no test notices (needs cargo-mutants)
	@sh .ci/mutants $(FILES)

clients: ## install Go and curl, with which tests call a function (Debian, root); without them these tests are skipped
	@sh .ci/clients

emulator: ## install cargo-lambda under target/, against which a test runs the Lambda function; without it that test is skipped
	@sh .ci/emulator

azurite: ## install azurite under target/, whose queue stands between Event Grid and the function in a test; without it that test is skipped
	@sh .ci/azurite

functions-framework: ## install Google's Functions Framework under target/, which decodes fixtures in a test; without it that test is skipped
	@sh .ci/functions-framework

miniflare: ## install miniflare under target/, by which tests run the Worker of deploy/cloudflare; without it these tests are skipped
	@sh .ci/miniflare

postgres: ## install PostgreSQL, pgbouncer and libfaketime (Debian, root) and a second PostgreSQL under target/, with which tests try a spool in a database; without them these tests are skipped
	@sh .ci/postgres

postgres-next: ## the spool and the ledger in a database once more, on the second PostgreSQL (make postgres)
	@sh .ci/postgres-next

deny: ## licences, duplicates and sources of the dependencies (needs cargo-deny; not part of `make test`)
	@$(CARGO) deny --version > /dev/null 2>&1 || { echo "make: cargo-deny is missing; 'cargo install --locked cargo-deny' installs it" >&2; exit 1; }
	$(CARGO) deny check licenses bans sources

dist: ## static binaries in dist/<arch>/ for this machine's architecture (and the other one, where its target and a cross compiler are), build contexts for the images of OCI's functions, the zips of the other clouds' functions in dist/lambda, dist/azure-functions, dist/alibaba-fc, dist/tencent-scf, dist/huawei-functiongraph and dist/volcengine-faas (BINARIES="…" for some of them; DIST_PROFILE=none in half the time, for binaries that need more processor time)
	@sh .ci/dist $(BINARIES)

packages: ## a Debian package and a tar.gz with man pages, completions and lists of parts (SBOM), from what `make dist` made of this checkout, or else after it (needs python3, and dpkg-deb for the package)
	@sh .ci/packages

package-test: ## install, start, upgrade, remove and purge what `make packages` made, in a Debian of its own (Debian, root)
	@sh .ci/package-test

image: ## an image for each deployable as an OCI archive, from what `make dist` made (needs buildah)
	@sh .ci/image

image-test: ## unpack what `make image` made, and run it (root)
	@python3 .ci/image-test.py

containers-check: ## deploy/compose.yaml against its schema (make check does it too, if that is there)
	@sh .ci/containers

kubernetes-check: ## the chart, what it renders and what its pods run, with helm and Kubernetes' schemas (make check and make test do it too, if those are there)
	@sh .ci/kubernetes
	@sh .ci/kubernetes --pod

kubernetes-render: ## write deploy/kubernetes/plain anew out of the chart; read the diff
	@BLESS=1 sh .ci/kubernetes
	@git --no-pager diff --stat -- deploy/kubernetes/plain

# Oracle's command line, from PyPI, in a virtual environment: 800 MB and some minutes, so no part of `make test`.
OCI_CLI_VENV ?= target/oci-cli
OCI_CLI = PATH="$(abspath $(OCI_CLI_VENV))/bin:$$PATH"

$(OCI_CLI_VENV)/bin/oci:
	python3 -m venv $(OCI_CLI_VENV)
	$(OCI_CLI_VENV)/bin/pip install --quiet oci-cli

oci-cli-options: $(OCI_CLI_VENV)/bin/oci ## write down anew which options the real OCI command line takes; read the diff
	$(OCI_CLI) python deploy/oci/tests/cli-options.py
	@git --no-pager diff --stat -- deploy/oci/tests/cli-options.json || true

oci-cli-check: $(OCI_CLI_VENV)/bin/oci ## run the scripts of deploy/oci with the real OCI command line against a stand-in for OCI
	$(OCI_CLI) python deploy/oci/tests/cli-check.py

# AWS's command line and moto, a stand-in for AWS, from PyPI, in a virtual environment: 200 MB, so no part of `make test`.
AWS_CLI_VENV ?= target/aws-cli

$(AWS_CLI_VENV)/bin/aws:
	python3 -m venv $(AWS_CLI_VENV)
	$(AWS_CLI_VENV)/bin/pip install --quiet awscli 'moto[server]' aws-sam-translator

aws-cli-check: $(AWS_CLI_VENV)/bin/aws ## run the scripts of deploy/aws with the real AWS command line against a stand-in for AWS
	PATH="$(abspath $(AWS_CLI_VENV))/bin:$$PATH" python deploy/aws/tests/cli-check.py

# Tencent Cloud's command line, from PyPI.
TCCLI_VENV ?= target/tccli

$(TCCLI_VENV)/bin/tccli:
	python3 -m venv $(TCCLI_VENV)
	$(TCCLI_VENV)/bin/pip install --quiet tccli

tccli-shapes: $(TCCLI_VENV)/bin/tccli ## write down anew what the real tccli's calls take; read the diff
	$(TCCLI_VENV)/bin/python deploy/tencent/tests/shapes.py
	@git --no-pager diff --stat -- deploy/tencent/tests/shapes.json || true

tccli-check: $(TCCLI_VENV)/bin/tccli ## run the scripts of deploy/tencent with the real tccli against a stand-in for Tencent Cloud
	PATH="$(abspath $(TCCLI_VENV))/bin:$$PATH" python3 deploy/tencent/tests/cli-check.py

# Azure's command line, from PyPI, in a virtual environment: 730 MB and some minutes, so no part of `make test`.
AZ_CLI_VENV ?= target/az-cli

$(AZ_CLI_VENV)/bin/az:
	python3 -m venv $(AZ_CLI_VENV)
	$(AZ_CLI_VENV)/bin/pip install --quiet azure-cli

az-cli-options: $(AZ_CLI_VENV)/bin/az ## write down anew which options the real Azure command line takes; read the diff
	$(AZ_CLI_VENV)/bin/python deploy/azure/tests/cli-options.py
	@git --no-pager diff --stat -- deploy/azure/tests/cli-options.json || true
