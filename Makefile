# headgate: one Makefile, output only under build/. `make help` lists the targets.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

V ?= 0
ifeq ($(V),1)
Q :=
msg =
else
Q := @
msg = @printf '  %-8s %s\n' "$(1)" "$(2)";
endif

CC     ?= gcc
CLANG  ?= $(firstword $(shell command -v clang-19 clang-14 clang 2>/dev/null))
STRIP  ?= $(firstword $(shell command -v llvm-strip-19 llvm-strip-14 llvm-strip 2>/dev/null))
O      ?= build
ARCH   := $(shell uname -m)
MULTI  := $(shell $(CC) -print-multiarch 2>/dev/null)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

SAN    ?=
ifneq ($(SAN),)
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

WARN   := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wvla \
	  -Wpointer-arith -Wwrite-strings -Werror
CPPFLAGS += -isystem /usr/include/libnl3 -D_GNU_SOURCE -DHG_VERSION='"$(VERSION)"' -Iagent -Iinclude -I. -I$(O)
CFLAGS ?= -O2 -g
CFLAGS += -std=gnu17 $(WARN) $(SANFLAGS)
BPFFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	  -Iinclude -Ibpf -I/usr/include/$(MULTI)

# ---- what is built from what: a layer is a folder of agent/ ----
LAYERS := base config compile kernel flow health ctl
src_of  = $(wildcard agent/$(1)/*.c)
obj_of  = $(patsubst %.c,$(O)/%.o,$(call src_of,$(1)))
$(foreach l,$(LAYERS),$(eval OBJ_$(l) := $(call obj_of,$(l))))
PROBE_OBJ := $(patsubst %,$(O)/agent/health/%.o,main probe check)
OBJ_health := $(filter-out $(PROBE_OBJ),$(OBJ_health))
lib_of  = $(foreach l,$(1),$(O)/lib$(l).a)

AGENT_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard agent/*.c))
CLI_OBJ   := $(patsubst %.c,$(O)/%.o,$(wildcard tools/headgate/*.c))
CLI_LAYERS   := compile config base
AGENT_LAYERS := ctl health kernel flow compile config base
LIBS_config := -lcjson -lm
LIBS_agent  := -lbpf -lelf -lz -lnl-route-3 -lnl-3 -lmnl -lmicrohttpd -lsystemd $(LIBS_config)
LIBS_probe  := -lcurl -lsystemd
LIBS_cli    := -lcurl $(LIBS_config)

.PHONY: all
all: $(O)/headgated $(O)/headgate-probe $(O)/headgate ## the agent, its probe and the command line (default)

$(O)/headgated: $(AGENT_OBJ) $(call lib_of,$(AGENT_LAYERS))
	$(call msg,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS_agent) -o $@

$(O)/headgate-probe: $(PROBE_OBJ) $(call lib_of,health base)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS_probe) -o $@

$(O)/headgate: $(CLI_OBJ) $(call lib_of,$(CLI_LAYERS))
	$(call msg,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS_cli) -o $@

define layer
$(O)/lib$(1).a: $(OBJ_$(1))
	$$(call msg,AR,$$@)
	$$(Q)rm -f $$@; ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer,$(l))))

$(O)/%.o: %.c
	$(call msg,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# ---- the packet path ----
# On the host too; its byte arithmetic is the kernel's dialect, and headers lie where the wire put them.
$(O)/agent/compile/eval.o: CFLAGS += -Wno-pointer-arith -Wno-sign-compare -Wno-unused-parameter -Wno-unknown-pragmas \
	-fno-sanitize=alignment
$(O)/agent/compile/eval.o: CPPFLAGS += -Ibpf

$(O)/headgate.bpf.o: bpf/headgate.bpf.c
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) -MMD -MP -c $< -o $@
	$(Q)$(STRIP) -g $@

$(O)/headgate.skel.h: $(O)/headgate.bpf.o
	$(call msg,SKEL,$@)
	$(Q)bpftool gen skeleton $< name headgate_bpf > $@

$(OBJ_kernel): $(O)/headgate.skel.h

-include $(shell find $(O) -type f -name '*.d' 2>/dev/null)
-include tests/tests.mk
-include packaging/packaging.mk

.PHONY: format style headers layers clean help
format: ## rewrite to .clang-format
	$(Q)git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i
style: headers layers ## all that a machine can say about the source
	$(Q)git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format --dry-run -Werror
headers:
	$(Q)tools/dev/check-headers $$(git ls-files -co --exclude-standard 'include/hg/*.h' 'agent/*.h' 'bpf/*.h')
layers:
	$(Q)tools/dev/check-layers $$(git ls-files -co --exclude-standard 'agent/*.c' 'agent/*.h')
clean: ## remove build/
	$(Q)rm -rf $(O)
help: ## this list
	$(Q)grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14 | sort
