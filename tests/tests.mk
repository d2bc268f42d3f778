# tests: every kind, from cheap to dear. A program is one .c file or one .sh file that
# speaks TAP; tests/lib/tap.sh adds them up.

# ---- what a test program is made of: archives, so that each takes only what it names ----
$(O)/libtests.a: $(patsubst %.c,$(O)/%.o,$(filter-out %.bpf.c,$(wildcard tests/lib/*.c)))
$(O)/liboracle.a: $(patsubst %.c,$(O)/%.o,$(wildcard tests/oracle/*.c))
$(O)/libcli.a: $(filter-out %/main.o,$(CLI_OBJ))
$(O)/libagent.a: $(filter-out %/main.o,$(AGENT_OBJ))
$(O)/libwitness.a: $(patsubst %.c,$(O)/%.o,$(filter-out %/witness.c,$(wildcard tests/witness/*.c)))
$(foreach a,tests oracle cli agent witness,$(O)/lib$(a).a):
	$(call msg,AR,$@)
	$(Q)rm -f $@; ar rcs $@ $^

PURE_LIBS  := $(O)/libtests.a $(O)/liboracle.a $(call lib_of,compile config base)
CLI_LIBS   := $(O)/libtests.a $(O)/libcli.a $(call lib_of,compile config base)
HEALTH_LIBS := $(O)/libtests.a $(call lib_of,health config base)
AGENT_LIBS := $(O)/libtests.a $(O)/liboracle.a $(O)/libagent.a $(call lib_of,$(AGENT_LAYERS))

# $(call programs,LIST OF .c,ARCHIVES,-l OPTIONS)
define programs
ifneq ($(strip $(1)),)
$(patsubst %.c,$(O)/%,$(1)): $(O)/%: $(O)/%.o $(2)
	$$(call msg,LINK,$$@)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) $$< -Wl,--start-group $(2) -Wl,--end-group $(3) -o $$@
endif
endef

UNIT_AGENT_C := $(wildcard tests/unit/kernel/*.c tests/unit/ctl/*.c tests/unit/flow/*.c tests/unit/agent/*.c)
UNIT_CLI_C   := $(wildcard tests/unit/cli/*.c)
UNIT_HEALTH_C := $(wildcard tests/unit/health/*.c)
UNIT_PURE_C  := $(filter-out $(UNIT_AGENT_C) $(UNIT_CLI_C) $(UNIT_HEALTH_C),$(wildcard tests/unit/*/*.c))
GOLDEN_C     := $(wildcard tests/golden/*.c)
PACKET_C     := $(wildcard tests/packet/*.c)
WITNESS_C    := tests/witness/witness.c
BENCH_C      := $(filter-out %.bpf.c,$(wildcard tests/bench/*.c))
$(eval $(call programs,$(UNIT_PURE_C) $(GOLDEN_C),$(PURE_LIBS),$(LIBS_config)))
$(eval $(call programs,$(UNIT_CLI_C),$(CLI_LIBS),$(LIBS_cli)))
$(eval $(call programs,$(UNIT_HEALTH_C),$(HEALTH_LIBS),-lsystemd $(LIBS_config)))
$(eval $(call programs,$(UNIT_AGENT_C) $(PACKET_C) $(BENCH_C),$(AGENT_LIBS),$(LIBS_agent)))
$(eval $(call programs,$(WITNESS_C),$(O)/libwitness.a $(AGENT_LIBS),$(LIBS_agent)))

program_of = $(patsubst %.c,$(O)/%,$(1))
UNIT    := $(call program_of,$(UNIT_PURE_C) $(UNIT_CLI_C) $(UNIT_HEALTH_C) $(UNIT_AGENT_C))
GOLDEN  := $(call program_of,$(GOLDEN_C))
PACKET  := $(call program_of,$(PACKET_C))
WITNESS := $(call program_of,$(WITNESS_C))
BENCH   := $(call program_of,$(BENCH_C))

# The data plane by each compiler: the verifier sees two programs.
BPF_OBJECTS := $(O)/clang-14/headgate.bpf.o $(O)/clang-19/headgate.bpf.o
.PHONY: $(BPF_OBJECTS)
$(BPF_OBJECTS): $(O)/%/headgate.bpf.o:
	$(Q)$(MAKE) --no-print-directory O=$(O)/$* CLANG=$* $@

TAP := HG_RESULTS=$(O)/results HG_BUILD=$(abspath $(O)) tests/lib/tap.sh

.PHONY: check check-unit check-golden check-packet check-witness check-e2e check-vm
check: style check-unit check-golden ## before each commit: unit, golden and style
check-unit: $(UNIT) $(O)/headgate-probe
	$(Q)$(TAP) unit $(UNIT) $(wildcard tests/unit/*/*.sh) tools/dev/check-ledger
check-golden: all $(GOLDEN)
	$(Q)$(TAP) golden $(GOLDEN) $(wildcard tests/golden/*.sh)
check-packet: $(PACKET) ## what the loaded programs do to packets (root)
	$(Q)$(TAP) packet $(PACKET)
check-witness: $(WITNESS) ## three readings of random rule sets agree (root)
	$(Q)HG_SECONDS=900 $(TAP) witness $(WITNESS)
check-e2e: all ## real connections through namespaces (root)
	$(Q)$(TAP) e2e $(filter-out tests/e2e/lib.sh,$(wildcard tests/e2e/*.sh))
# An emulated verifier takes half a minute for each program's load: what depends on the kernel's
# helpers goes there, the rest runs here alone. That everything loads, the budget shows.
VM_PACKET := $(addprefix $(O)/tests/packet/,gateway nat64 offload reply state)
check-vm: $(VM_PACKET) $(O)/tools/dev/budget $(BPF_OBJECTS) ## packet tests on the kernels of vm/kernels
	$(Q)HG_RESULTS=$(O)/results HG_BUILD=$(abspath $(O)) vm/check $(K) -- $(VM_PACKET)

# ---- the same, under other rules ----
.PHONY: san san-run fuzz abi budget cov bench test
san: ## unit, golden, the evaluator's witness and some e2e with ASan and UBSan
	$(Q)$(MAKE) O=$(O)/san SAN=1 san-run
SAN_C := $(UNIT_PURE_C) $(UNIT_CLI_C) $(UNIT_HEALTH_C) $(UNIT_AGENT_C) $(GOLDEN_C) $(WITNESS_C)
# The agent itself lives through changes of rules, bad input and its own death.
SAN_E2E := $(wildcard tests/e2e/apply.sh tests/e2e/faults.sh tests/e2e/crash.sh)
SAN_PROGRAMS := $(call program_of,$(SAN_C))
san-run: all $(SAN_PROGRAMS)
	$(Q)HG_RESULTS=$(O)/../results HG_BUILD=$(abspath $(O)) HG_WITNESS=eval HG_SECONDS=900 \
		tests/lib/tap.sh san $(SAN_PROGRAMS) $(wildcard tests/golden/*.sh) $(SAN_E2E)

S ?= 60
fuzz: ## arbitrary input for S seconds, T=rules, T=parse, T=gateway or T=probe
	$(Q)[ -n "$(T)" ] || { echo "make fuzz T=rules|parse|gateway|probe [S=60]" >&2; exit 2; }
	$(Q)$(MAKE) O=$(O)/fuzz CC=clang-14 $(O)/fuzz/tests/fuzz/$(T) \
		SANFLAGS='-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all'
	$(Q)HG_RESULTS=$(O)/results tests/fuzz/run $(O)/fuzz/tests/fuzz/$(T) $(S)
$(O)/libfuzz.a: $(O)/tests/fuzz/sums.o $(O)/tests/fuzz/flows.o
	$(call msg,AR,$@)
	$(Q)rm -f $@; ar rcs $@ $^
$(eval $(call programs,tests/fuzz/probe.c,$(HEALTH_LIBS),-fsanitize=fuzzer -lsystemd $(LIBS_config)))
$(eval $(call programs,$(filter-out %/sums.c %/flows.c %/probe.c,$(wildcard tests/fuzz/*.c)),$(O)/libfuzz.a $(PURE_LIBS),-fsanitize=fuzzer $(LIBS_config)))

abi: ## both compilers see the same bytes on the line
	$(Q)HG_BUILD=$(abspath $(O)) $(TAP) abi tools/dev/check-abi
$(O)/tools/dev/budget: $(O)/tools/dev/budget.o
	$(call msg,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< -lbpf -lelf -lz -o $@
budget: $(O)/tools/dev/budget $(BPF_OBJECTS) ## the verifier's work, against bpf/budget.txt
	$(Q)$(TAP) budget tools/dev/check-budget
cov: ## lines and branches that unit and golden tests reach
	$(Q)$(MAKE) O=$(O)/cov CFLAGS='-O0 -g --coverage' check-unit check-golden
	$(Q)tools/dev/coverage $(O)/cov
bench: all $(BENCH) $(O)/tests/bench/bench.bpf.o ## what packets cost; see docs/performance.md
	$(Q)$(O)/tests/bench/path $(O)/tests/bench/bench.bpf.o
	$(Q)$(O)/tests/bench/gateway
	$(Q)HG_BUILD=$(abspath $(O)) tests/bench/nat
	$(Q)HG_BUILD=$(abspath $(O)) tests/bench/balance
	$(Q)HG_BUILD=$(abspath $(O)) tests/bench/flood
# Programs that only tests load.
$(O)/tests/%.bpf.o: tests/%.bpf.c
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) -MMD -MP -c $< -o $@
$(O)/tests/%.skel.h: $(O)/tests/%.bpf.o
	$(call msg,SKEL,$@)
	$(Q)bpftool gen skeleton $< name $(basename $(basename $(@F)))_bpf > $@
$(O)/tests/lib/anvil.o: $(O)/tests/lib/anvil.skel.h
$(O)/tests/bench/pps.o: $(O)/tests/bench/pps.skel.h
$(O)/tests/bench/syn.o: $(O)/tests/bench/syn.skel.h
$(O)/tests/bench/gateway.o: $(O)/tests/bench/bench.skel.h
test: ## everything, as CI runs it
	$(Q)tests/run

.PHONY: scripts source
style: scripts source
source:
	$(Q)tools/dev/check-source $$(git ls-files -co --exclude-standard '*.c' '*.h')
scripts:
	$(Q)git ls-files -co --exclude-standard | xargs grep -lE '^#!/bin/(ba)?sh' | xargs shellcheck -x
