console.error("cannot open the cupboard");
process.exit(3);
