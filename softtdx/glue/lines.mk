# softtdx: answers SEAMCALL in software when the command line says softtdx=on.
obj-y += softtdx/
CFLAGS_tdx.o += -include $(src)/softtdx/glue/hook.h
CFLAGS_seamldr.o += -include $(src)/softtdx/glue/hook.h
