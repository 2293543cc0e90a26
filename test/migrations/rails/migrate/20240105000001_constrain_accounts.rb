class ConstrainAccounts < ActiveRecord::Migration[6.1]
  def change
    add_check_constraint :accounts, 'times >= 0', name: 'times_not_negative'
    create_table :entries do |t|
      t.references :account, null: false, foreign_key: { on_delete: :cascade }
      t.decimal :amount, precision: 12, scale: 2, null: false
      t.string :tags, array: true, default: []
      t.timestamps
    end
    create_join_table :accounts, :owners
  end
end
