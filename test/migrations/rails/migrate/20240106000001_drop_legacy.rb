class DropLegacy < ActiveRecord::Migration[6.1]
  def change
    remove_column :accounts, :legacy, :string, limit: 10
    rename_column :accounts, :name, :title
    drop_join_table :accounts, :owners
    rename_table :entries, :postings
  end
end
